"""Tokens of machines: made by a command, shown once, kept as a hash, bound to a role, valid for a time."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from ketapredict.errors import AccountError
from ketapredict.web.accounts.directory import checked_name
from ketapredict.web.accounts.roles import Role, User
from ketapredict.web.accounts.sessions import digest
from ketapredict.web.store.database import Database
from ketapredict.web.store.schema import machine_tokens

# So that a token is recognised where it should not be: in a log, in a repository.
PREFIX = "ketapredict_"


@dataclass(frozen=True, slots=True)
class MachineToken:
    """What is known of a token, which it does not tell itself."""

    name: str
    role: Role
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


def add_token(database: Database, name: str, role: Role, days: int) -> str:
    """Make a token and return it; it cannot be shown again.

    Raises
    ------
    AccountError
        If the name is taken or cannot be one.
    """
    name, token, now = checked_name(name), PREFIX + secrets.token_urlsafe(32), datetime.now(UTC)
    values = {"name": name, "token_hash": digest(token), "role": role, "created_at": now}
    try:
        with database.write() as connection:
            connection.execute(insert(machine_tokens).values(values | {"expires_at": now + timedelta(days=days)}))
    except IntegrityError:
        raise AccountError(
            f"Expected a new name; there is, or was, a token {name}. Names are not used twice."
        ) from None
    return token


def list_tokens(database: Database) -> list[MachineToken]:
    """Return all tokens in the order of their names."""
    table = machine_tokens
    columns = (table.c.name, table.c.role, table.c.created_at, table.c.expires_at, table.c.revoked_at)
    with database.read() as connection:
        rows = connection.execute(select(*columns).order_by(table.c.name)).mappings().all()
    return [MachineToken(**(dict(row) | {"role": Role(row["role"])})) for row in rows]


def revoke_token(database: Database, name: str) -> None:
    """Revoke a token; raises AccountError where there is no such valid one."""
    table = machine_tokens
    with database.write() as connection:
        found = connection.execute(
            update(table)
            .where(table.c.name == checked_name(name), table.c.revoked_at.is_(None))
            .values(revoked_at=datetime.now(UTC))
        )
    if not found.rowcount:
        raise AccountError("Expected the name of a token that is not revoked. `ketapredict tokens list` shows them.")


def token_user(database: Database, token: str) -> User | None:
    """Return which machine a token is of, or None if it is unknown, expired or revoked."""
    table = machine_tokens
    valid = (table.c.token_hash == digest(token), table.c.revoked_at.is_(None), table.c.expires_at > datetime.now(UTC))
    with database.read() as connection:
        row = connection.execute(select(table.c.name, table.c.role).where(*valid)).first()
    return None if row is None else User(f"token:{row.name}"[:64], frozenset({Role(row.role)}))
