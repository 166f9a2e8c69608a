"""Nothing recorded is replaced, and no purge reaches into the shortest retention time.

SQLite's INSERT OR REPLACE removes a row without firing the triggers of removal; a purge with a cutoff in the future
would let everything go.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Names of tables from this list only: no input of anybody is part of the statements.
# ruff: noqa: S608
RECORDS = ("shown_predictions", "security_events", "judgements", "purges")
# As `store.records` refuses it; here for whoever writes to the database by other means.
SHORTEST_DAYS = 30


def upgrade() -> None:
    """Add the triggers."""
    if op.get_bind().dialect.name == "sqlite":
        for table in RECORDS:
            op.execute(
                f"CREATE TRIGGER {table}_no_replacement BEFORE INSERT ON {table} "
                f"WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) "
                f"BEGIN SELECT RAISE(ABORT, '{table} is only added to'); END"
            )
        op.execute(
            "CREATE TRIGGER purges_keep_the_shortest_time BEFORE INSERT ON purges "
            f"WHEN julianday(NEW.cutoff) IS NULL OR julianday(NEW.cutoff) > julianday('now') - {SHORTEST_DAYS} + 0.01 "
            "BEGIN SELECT RAISE(ABORT, 'a purge keeps the shortest retention time'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION ketapredict_shortest() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.cutoff > now() - interval '{SHORTEST_DAYS} days' + interval '15 minutes' THEN "
        "RAISE EXCEPTION 'a purge keeps the shortest retention time'; END IF; RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER purges_keep_the_shortest_time BEFORE INSERT ON purges "
        "FOR EACH ROW EXECUTE FUNCTION ketapredict_shortest()"
    )


def downgrade() -> None:
    """Refuse: what was recorded stays."""
    raise NotImplementedError("records are not removed by going back a version")
