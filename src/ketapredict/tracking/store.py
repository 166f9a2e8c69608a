"""Where runs and models are kept: a server or database named by the environment, else SQLite here.

MLflow is imported when a store is opened, not before: it takes seconds.
"""

import logging
import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from ketapredict.errors import KetapredictError, ModelError, TrackingError

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
URI_VARIABLE = "MLFLOW_TRACKING_URI"
_SQLITE = "sqlite:///"
_LOCK_SECONDS = 10

# Read by MLflow at import or at each call; what a user has set stays, except for what guards patient data.
_SETTINGS = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # Without these an absent server is asked for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "GIT_PYTHON_REFRESH": "quiet",
}
# Schema errors otherwise print rows of the table that was to be scored.
_GUARDS = {"MLFLOW_DISABLE_SCHEMA_DETAILS": "true"}
_TALKATIVE = ("mlflow", "alembic")


@dataclass(frozen=True, slots=True)
class Store:
    """An open store.

    Attributes
    ----------
    tracking_uri : str
        With a password, if it has one: for MLflow, not for people.
    artifact_location : str or None
        Where a new experiment keeps its files; None leaves it to the server.
    """

    tracking_uri: str
    artifact_location: str | None

    @property
    def shown_uri(self) -> str:
        """The address without a password."""
        return _without_password(self.tracking_uri)

    @property
    def folder(self) -> Path:
        """Where a table that goes with the store is kept: the database's folder; with a server the current one."""
        if self.artifact_location is None:
            return Path.cwd()
        return Path(unquote(urlsplit(self.artifact_location).path)).parent


@contextmanager
def open_store(*, create: bool = True) -> Iterator[Store]:
    """Open the store that `MLFLOW_TRACKING_URI` names, else `mlflow.db` in the current folder.

    Within the context MLflow's functions use that store; afterwards they use what they used before.

    Parameters
    ----------
    create : bool
        Whether `mlflow.db` may be made where there is none.

    Yields
    ------
    Store

    Raises
    ------
    TrackingError
        If the store cannot be reached, is locked, or refuses something.
    ModelError
        If there is no store and none may be made: whoever looks for a model finds none.
    """
    before = os.environ.get(URI_VARIABLE)
    store = _store(before)
    _refuse_unusable_database(store, create=create)
    prepare_mlflow()
    levels = {name: logging.getLogger(name).level for name in _TALKATIVE}
    with warnings.catch_warnings():
        # MLflow's own imports warn; whoever trains a model can do nothing about it.
        warnings.simplefilter("ignore")
        import mlflow
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.ERROR)
        mlflow.set_tracking_uri(store.tracking_uri)
        try:
            yield store
        except KetapredictError:
            raise
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise TrackingError(
                f"Expected to use the MLflow store {store.shown_uri}; found: {_reason(error)}. Check that it can be "
                f"reached and written, or name another in {URI_VARIABLE}."
            ) from error
        finally:
            mlflow.set_tracking_uri(None)
            if before is not None:
                os.environ[URI_VARIABLE] = before
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


def prepare_mlflow() -> None:
    """Set what MLflow reads from the environment: no telemetry, no chatter, no rows in messages."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    os.environ.update(_GUARDS)


def _store(uri: str | None) -> Store:
    if uri and (not uri.startswith(_SQLITE) or "?" in uri):
        return Store(uri, None)
    # Absolute, because MLflow keeps open stores by their address, whatever the current folder is by then.
    database = _database_path(uri) if uri else Path(DATABASE).absolute()
    # An artifact folder beside the database, so that both move and are deleted together.
    folder = database.parent if uri else Path.cwd()
    # SQLAlchemy decodes the path; a blank needs no code, and with one MLflow makes a folder called %20.
    path = str(database).replace("%", "%25").replace("?", "%3F")
    return Store(f"{_SQLITE}{path}", (folder / ARTIFACTS).as_uri())


def _database_path(uri: str) -> Path:
    return Path(unquote(uri.removeprefix(_SQLITE))).absolute()


def _refuse_unusable_database(store: Store, *, create: bool) -> None:
    """Raise where SQLite cannot be written: MLflow itself would try for minutes, with a stack of messages."""
    if not store.tracking_uri.startswith(_SQLITE):
        return
    path = _database_path(store.tracking_uri)
    if not create and not path.exists():
        raise ModelError(
            f"Expected an MLflow store; found no {path}. Train a model first, work in the folder that holds "
            f"{DATABASE}, or name the store in {URI_VARIABLE}."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=_LOCK_SECONDS)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
        finally:
            connection.close()
    except (sqlite3.Error, OSError) as error:
        raise TrackingError(
            f"Cannot use the MLflow store {path}: {_reason(error)}. Wait for the program that uses it, check its "
            f"folder, or name another store in {URI_VARIABLE}."
        ) from None


def _reason(error: Exception) -> str:
    """Return the first line of an error: what follows are SQL statements with their values."""
    original = getattr(error, "orig", None) or error
    lines = str(original).strip().splitlines()
    return _hide_passwords(lines[0].strip().rstrip(".")) if lines else type(error).__name__


def _hide_passwords(text: str) -> str:
    return " ".join(_without_password(word) if "://" in word else word for word in text.split(" "))


def _without_password(uri: str) -> str:
    try:
        parts = urlsplit(uri)
        if not parts.password:
            return uri
    except ValueError:
        return uri
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}"))
