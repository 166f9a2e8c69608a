"""What the model of a recorded estimate was trained on: an exported row says by itself that it is of a simulation.

Records of before have an empty text there: the model's SHA-256 tells which one it was.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column to both tables."""
    for table in ("shown_predictions", "judgements"):
        op.add_column(table, sa.Column("trained_on", sa.String(20), nullable=False, server_default=""))


def downgrade() -> None:
    """Refuse: what was recorded stays."""
    raise NotImplementedError("records are not removed by going back a version")
