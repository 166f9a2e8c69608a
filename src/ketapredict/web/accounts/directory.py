"""Local accounts: made, listed and disabled by a command. None is ever removed: records name them."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ketapredict.errors import AccountError
from ketapredict.web.accounts.passwords import hash_password
from ketapredict.web.accounts.roles import Role
from ketapredict.web.store.database import Database
from ketapredict.web.store.schema import accounts, sessions

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


@dataclass(frozen=True, slots=True)
class Account:
    """A local account.

    Attributes
    ----------
    name : str
        In lower case.
    role : Role
    password_hash : str or None
        None for a user whom a proxy signs in.
    created_at : datetime
    disabled_at : datetime or None
    """

    name: str
    role: Role
    password_hash: str | None
    created_at: datetime
    disabled_at: datetime | None


def checked_name(name: str) -> str:
    """Return a name as it is kept; raises AccountError for one that cannot be."""
    folded = name.strip().lower()
    if not _NAME.fullmatch(folded):
        raise AccountError("Expected a name of up to 64 letters, digits, and . _ @ -, starting with a letter or digit.")
    return folded


def add_account(database: Database, name: str, role: Role, password: str | None) -> Account:
    """Add an account; without a password for a user whom a proxy signs in.

    Raises
    ------
    AccountError
        If the name is taken or cannot be one, or the password is too short.
    """
    made = Account(
        checked_name(name), role, None if password is None else hash_password(password), datetime.now(UTC), None
    )
    try:
        with database.write() as connection:
            connection.execute(
                insert(accounts).values(
                    name=made.name, role=made.role, password_hash=made.password_hash, created_at=made.created_at
                )
            )
    except IntegrityError:
        raise AccountError(
            f"Expected a new name; there is, or was, an account {made.name}. Records name it: no name is used twice."
        ) from None
    return made


def find_account(database: Database, name: str) -> Account | None:
    """Return the account of a name, disabled or not; None where there is none, or what is given cannot be a name."""
    if not _NAME.fullmatch(name):
        return None
    with database.read() as connection:
        row = connection.execute(select(accounts).where(accounts.c.name == name)).mappings().first()
    return None if row is None else Account(**(dict(row) | {"role": Role(row["role"])}))


def list_accounts(database: Database) -> list[Account]:
    """Return all accounts in the order of their names."""
    with database.read() as connection:
        rows = connection.execute(select(accounts).order_by(accounts.c.name)).mappings().all()
    return [Account(**(dict(row) | {"role": Role(row["role"])})) for row in rows]


def disable_account(database: Database, name: str) -> None:
    """Disable an account and end its sessions; raises AccountError where there is no such enabled account."""
    with database.write() as connection:
        found = connection.execute(
            update(accounts)
            .where(accounts.c.name == checked_name(name), accounts.c.disabled_at.is_(None))
            .values(disabled_at=datetime.now(UTC))
        )
        if not found.rowcount:
            raise AccountError("Expected the name of an enabled account. `ketapredict accounts list` shows them.")
        connection.execute(delete(sessions).where(sessions.c.account == checked_name(name)))


def set_password(database: Database, name: str, password: str) -> None:
    """Give an enabled account another password and end its sessions; raises AccountError."""
    hashed = hash_password(password)
    with database.write() as connection:
        found = connection.execute(
            update(accounts)
            .where(accounts.c.name == checked_name(name), accounts.c.disabled_at.is_(None))
            .values(password_hash=hashed)
        )
        if not found.rowcount:
            raise AccountError("Expected the name of an enabled account. `ketapredict accounts list` shows them.")
        connection.execute(delete(sessions).where(sessions.c.account == checked_name(name)))
