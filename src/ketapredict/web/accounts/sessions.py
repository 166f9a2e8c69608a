"""Sessions on the server: a random token in the browser, only its hash in the store, two expiries."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from sqlalchemy import delete, insert, select, update

from ketapredict.web.accounts.roles import Role, User
from ketapredict.web.settings import Settings
from ketapredict.web.store.database import Database
from ketapredict.web.store.schema import accounts, sessions

# The last request's time is written at most this often: not every page is a write.
_SEEN_AGAIN = timedelta(minutes=1)


class Ended(Enum):
    """Why a token is no session."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class NoSession:
    """What a token turned out to be."""

    why: Ended
    account: str = ""


def digest(token: str) -> str:
    """Return the SHA-256 of a random token: 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def start_session(database: Database, account: str) -> str:
    """Start a session of an account and return its token."""
    token = secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    with database.write() as connection:
        connection.execute(
            insert(sessions).values(token_hash=digest(token), account=account, created_at=now, last_seen_at=now)
        )
    return token


def session_user(database: Database, settings: Settings, token: str) -> User | NoSession:
    """Return whose session a token is; an expired one is ended."""
    hashed, now = digest(token), datetime.now(UTC)
    joined = (
        select(sessions, accounts.c.role, accounts.c.disabled_at).join(accounts).where(sessions.c.token_hash == hashed)
    )
    with database.read() as connection:
        row = connection.execute(joined).mappings().first()
    if row is None:
        return NoSession(Ended.UNKNOWN)
    idle = now - row["last_seen_at"] > timedelta(minutes=settings.idle_minutes)
    old = now - row["created_at"] > timedelta(hours=settings.session_hours)
    if idle or old or row["disabled_at"] is not None:
        end_session(database, token)
        return NoSession(Ended.EXPIRED, row["account"])
    if now - row["last_seen_at"] > _SEEN_AGAIN:
        with database.write() as connection:
            connection.execute(update(sessions).where(sessions.c.token_hash == hashed).values(last_seen_at=now))
    return User(row["account"], frozenset({Role(row["role"])}), token)


def end_session(database: Database, token: str) -> None:
    """End a session; nothing happens where there is none."""
    with database.write() as connection:
        connection.execute(delete(sessions).where(sessions.c.token_hash == digest(token)))


def end_old_sessions(database: Database, settings: Settings) -> None:
    """Remove the sessions that nobody came back to."""
    now = datetime.now(UTC)
    idle, old = timedelta(minutes=settings.idle_minutes), timedelta(hours=settings.session_hours)
    with database.write() as connection:
        connection.execute(
            delete(sessions).where((sessions.c.last_seen_at < now - idle) | (sessions.c.created_at < now - old))
        )
