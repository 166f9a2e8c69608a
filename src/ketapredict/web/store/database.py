"""The database: SQLite or PostgreSQL behind two kinds of transactions, and its migrations."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from ketapredict.errors import ServerError

MIGRATIONS = Path(__file__).parent / "migrations"
_BEGIN = "ketapredict_begin"
_WAIT_SECONDS = 10
# Only one process at a time migrates; the number is an arbitrary name of that lock.
_MIGRATION_LOCK = 7_305_391


class Database:
    """A store of accounts, sessions, events and shown predictions.

    Parameters
    ----------
    url : str
        `sqlite:///file.db` or `postgresql://user@host/database`; the password is better in PGPASSWORD or a pgpass file.

    Raises
    ------
    ServerError
        If it is no such URL, or the driver is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = _checked(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        try:
            self.engine = _sqlite_engine(self.url) if self.is_sqlite else create_engine(self.url, pool_pre_ping=True)
        except ModuleNotFoundError:
            raise ServerError(
                "Expected the driver of PostgreSQL; it is not installed. pip install 'ketapredict[postgresql]'."
            ) from None
        self._writing = self.engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that only reads."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that writes; it is on disk when the block is left."""
        with self._writing.begin() as connection:
            yield connection

    def migrate(self) -> None:
        """Bring the tables up to date; several processes may start at once.

        Raises
        ------
        ServerError
            If the database cannot be reached, or is of a later version of ketapredict.
        """
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        try:
            with self.write() as connection:
                if not self.is_sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:name)"), {"name": _MIGRATION_LOCK})
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except CommandError:
            raise ServerError(
                f"The database {self.shown} was made by a later version of ketapredict. Install that version."
            ) from None
        except OperationalError:
            raise ServerError(f"Expected a database; {self.shown} cannot be reached or written.") from None

    def is_ready(self) -> bool:
        """Whether the database answers."""
        try:
            with self.read() as connection:
                connection.execute(text("SELECT 1 FROM accounts WHERE 1 = 0"))
        except SQLAlchemyError:
            return False
        return True

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @property
    def shown(self) -> str:
        """The URL without the password."""
        return self.url.render_as_string(hide_password=True)


def _checked(url: str) -> URL:
    try:
        made = make_url(url)
    except ArgumentError:
        made = URL.create("unknown")
    if made.get_backend_name() == "sqlite" and made.database not in (None, "", ":memory:"):
        return made
    if made.get_backend_name() in ("postgresql", "postgres"):
        return made.set(drivername="postgresql+psycopg")
    raise ServerError("Expected a database as sqlite:///FILE or postgresql://USER@HOST/DATABASE.")


def _sqlite_engine(url: URL) -> Engine:
    path = Path(str(url.database))
    try:
        # Readable by its owner alone, from the first byte on.
        path.touch(0o600)
    except OSError as error:
        raise ServerError(f"Cannot write the database {path}: {error.strerror}. Name another (--database).") from None
    engine = create_engine(url, connect_args={"timeout": _WAIT_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions begin where `begin` says so, not where the driver guesses
        _journal_ahead(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))

    return engine


def _journal_ahead(connection: sqlite3.Connection) -> None:
    """Switch to a write-ahead log; where another process does so at this moment, SQLite itself does not wait."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
