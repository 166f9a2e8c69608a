"""Judgements of clinicians beside the model's estimates: only added to, like the estimates that were shown."""

import sqlalchemy as sa
from alembic import op

from ketapredict.web.store.schema import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table with its triggers, and count what a purge removes of it."""
    op.create_table(
        "judgements",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", UtcDateTime, nullable=False, index=True),
        sa.Column("user_name", sa.String(64), nullable=False),
        sa.Column("course_id", sa.Text, nullable=False),
        sa.Column("inputs_hmac", sa.String(64), nullable=False),
        sa.Column("model_name", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("landmark", sa.Text, nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("probability", sa.Double, nullable=False),
        sa.Column("own_probability", sa.Double, nullable=False),
        sa.Column("reason", sa.String(1000), nullable=False),
        sa.Index("ix_judgements_course_id_at", "course_id", "at"),
    )
    op.add_column("purges", sa.Column("judgements", sa.Integer, nullable=False, server_default="0"))
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER judgements_no_change BEFORE UPDATE ON judgements "
            "BEGIN SELECT RAISE(ABORT, 'judgements is only added to'); END"
        )
        op.execute(
            "CREATE TRIGGER judgements_no_removal BEFORE DELETE ON judgements "
            "WHEN OLD.at >= coalesce((SELECT max(cutoff) FROM purges), '') "
            "BEGIN SELECT RAISE(ABORT, 'judgements keeps what is younger than the retention time'); END"
        )
        return
    for what, when, each, function in (
        ("change", "UPDATE", "ROW", "refuse"),
        ("removal", "DELETE", "ROW", "retain"),
        ("truncation", "TRUNCATE", "STATEMENT", "refuse"),
    ):
        op.execute(
            f"CREATE TRIGGER judgements_no_{what} BEFORE {when} ON judgements "
            f"FOR EACH {each} EXECUTE FUNCTION ketapredict_{function}()"
        )


def downgrade() -> None:
    """Refuse: what was recorded stays."""
    raise NotImplementedError("records are not removed by going back a version")
