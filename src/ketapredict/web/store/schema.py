"""Tables of the store. `migrations/` makes them; a test holds that both say the same."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

NAME = 64
DIGEST = 64
REASON = 1000


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC: timestamptz in PostgreSQL, text that sorts by time in SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse local times."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("expected a moment with its time zone")
        return value.astimezone(UTC).replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return UTC."""
        return None if value is None else value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)


metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("name", String(NAME), primary_key=True),
    Column("role", String(20), nullable=False),
    # None: this user is signed in by a proxy, never with a password.
    Column("password_hash", String(200)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("disabled_at", UtcDateTime),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(DIGEST), primary_key=True),
    Column("account", String(NAME), ForeignKey("accounts.name"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
)

# Bearer tokens of machines: the EHR that asks for predictions.
machine_tokens = Table(
    "machine_tokens",
    metadata,
    Column("name", String(NAME), primary_key=True),
    Column("token_hash", String(DIGEST), nullable=False, unique=True),
    Column("role", String(20), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
)

# Failed sign-ins of the last minutes; names are hashed, for people type passwords into the wrong field.
sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("account_hash", String(DIGEST), nullable=False),
    Column("address", String(45), nullable=False),
)

# The tables that are only ever added to: triggers refuse changes, and removals outside `purges`.
security_events = Table(
    "security_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("kind", String(40), nullable=False),
    Column("user_name", String(NAME), nullable=False),
    Column("address", String(45), nullable=False),
    Column("route", String(120), nullable=False),
)

shown_predictions = Table(
    "shown_predictions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("user_name", String(NAME), nullable=False),
    Column("surface", String(20), nullable=False),
    Column("course_id", Text, nullable=False),
    Column("inputs_hmac", String(DIGEST), nullable=False),
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("model_sha256", String(DIGEST), nullable=False),
    Column("landmark", Text, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("probability", Double, nullable=False),
    Column("p_low", Double),
    Column("p_high", Double),
    Column("in_scope", Boolean),
    # `simulated`, `evidence` or `real`; empty in records of before there was this column.
    Column("trained_on", String(20), nullable=False, server_default=""),
    Index("ix_shown_predictions_user_name_at", "user_name", "at"),
    Index("ix_shown_predictions_course_id_at", "course_id", "at"),
)

# What clinicians think of estimates that they were shown.
judgements = Table(
    "judgements",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("user_name", String(NAME), nullable=False),
    Column("course_id", Text, nullable=False),
    Column("inputs_hmac", String(DIGEST), nullable=False),
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("model_sha256", String(DIGEST), nullable=False),
    Column("landmark", Text, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("probability", Double, nullable=False),
    Column("own_probability", Double, nullable=False),
    Column("reason", String(REASON), nullable=False),
    Column("trained_on", String(20), nullable=False, server_default=""),
    Index("ix_judgements_course_id_at", "course_id", "at"),
)

# Each removal of what is older than the retention time: what the triggers let go by, and a record itself.
purges = Table(
    "purges",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("cutoff", UtcDateTime, nullable=False),
    Column("user_name", String(NAME), nullable=False),
    Column("predictions", Integer, nullable=False),
    Column("events", Integer, nullable=False),
    Column("judgements", Integer, nullable=False, server_default="0"),
)
