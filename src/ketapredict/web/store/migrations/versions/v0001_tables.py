"""The first tables, and the triggers of those that are only added to."""

import sqlalchemy as sa
from alembic import op

from ketapredict.web.store.schema import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = ("shown_predictions", "security_events")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("password_hash", sa.String(200)),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("disabled_at", UtcDateTime),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(64), sa.ForeignKey("accounts.name"), nullable=False, index=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("last_seen_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "machine_tokens",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("revoked_at", UtcDateTime),
    )
    op.create_table(
        "sign_in_attempts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", UtcDateTime, nullable=False, index=True),
        sa.Column("account_hash", sa.String(64), nullable=False),
        sa.Column("address", sa.String(45), nullable=False),
    )
    op.create_table(
        "security_events",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", UtcDateTime, nullable=False, index=True),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("user_name", sa.String(64), nullable=False),
        sa.Column("address", sa.String(45), nullable=False),
        sa.Column("route", sa.String(120), nullable=False),
    )
    op.create_table(
        "shown_predictions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", UtcDateTime, nullable=False, index=True),
        sa.Column("user_name", sa.String(64), nullable=False),
        sa.Column("surface", sa.String(20), nullable=False),
        sa.Column("course_id", sa.Text, nullable=False),
        sa.Column("inputs_hmac", sa.String(64), nullable=False),
        sa.Column("model_name", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("landmark", sa.Text, nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("probability", sa.Double, nullable=False),
        sa.Column("p_low", sa.Double),
        sa.Column("p_high", sa.Double),
        sa.Column("in_scope", sa.Boolean),
        sa.Index("ix_shown_predictions_user_name_at", "user_name", "at"),
        sa.Index("ix_shown_predictions_course_id_at", "course_id", "at"),
    )
    op.create_table(
        "purges",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("cutoff", UtcDateTime, nullable=False),
        sa.Column("user_name", sa.String(64), nullable=False),
        sa.Column("predictions", sa.Integer, nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        _sqlite_triggers()
    else:
        _postgresql_triggers()


def _sqlite_triggers() -> None:
    for table in (*APPEND_ONLY, "purges"):
        op.execute(
            f"CREATE TRIGGER {table}_no_change BEFORE UPDATE ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is only added to'); END"
        )
        # Without any purge the comparison is with NULL: nothing may go.
        kept = "1" if table == "purges" else "OLD.at >= coalesce((SELECT max(cutoff) FROM purges), '')"
        op.execute(
            f"CREATE TRIGGER {table}_no_removal BEFORE DELETE ON {table} WHEN {kept} "
            f"BEGIN SELECT RAISE(ABORT, '{table} keeps what is younger than the retention time'); END"
        )


def _postgresql_triggers() -> None:
    op.execute(
        "CREATE FUNCTION ketapredict_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION '% is only added to', TG_TABLE_NAME; END $$"
    )
    op.execute(
        "CREATE FUNCTION ketapredict_retain() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF OLD.at >= coalesce((SELECT max(cutoff) FROM purges), '-infinity') THEN "
        "RAISE EXCEPTION '% keeps what is younger than the retention time', TG_TABLE_NAME; END IF; RETURN OLD; END $$"
    )
    for table in (*APPEND_ONLY, "purges"):
        removal = "ketapredict_refuse" if table == "purges" else "ketapredict_retain"
        op.execute(
            f"CREATE TRIGGER {table}_no_change BEFORE UPDATE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION ketapredict_refuse()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_removal BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {removal}()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncation BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION ketapredict_refuse()"
        )


def downgrade() -> None:
    """Refuse: what was recorded stays."""
    raise NotImplementedError("records are not removed by going back a version")
