"""Security events: what was refused, and who came and went."""

from datetime import UTC, datetime
from enum import StrEnum

from fastapi import Request
from sqlalchemy import insert

from ketapredict.web.store.database import Database
from ketapredict.web.store.schema import security_events

UNKNOWN = ""


class Event(StrEnum):
    """Kinds of security events."""

    SIGNED_IN = "signed in"
    SIGNED_OUT = "signed out"
    WRONG_PASSWORD = "wrong name or password"  # noqa: S105
    TOO_MANY_ATTEMPTS = "too many attempts to sign in"
    SESSION_EXPIRED = "session expired"
    UNKNOWN_SESSION = "session unknown"
    FORGED_FORM = "form without the token of the session"
    FOREIGN_ORIGIN = "request from another site"
    FOREIGN_HOST = "request for another host"
    WRONG_ROLE = "page of another role"
    WRONG_TOKEN = "token of a machine unknown, expired or revoked"  # noqa: S105
    WRONG_PROXY = "header of the proxy without its secret"
    NO_ACCOUNT = "signed in by the proxy, without an account"


class SecurityLog:
    """Adds security events to the store.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, kind: Event, request: Request, user_name: str = UNKNOWN) -> None:
        """Add an event; `user_name` is that of an account, never what somebody typed."""
        with self._database.write() as connection:
            connection.execute(
                insert(security_events).values(
                    at=datetime.now(UTC),
                    kind=kind,
                    user_name=user_name,
                    address=request.client.host if request.client else UNKNOWN,
                    route=route_of(request),
                )
            )


def route_of(request: Request) -> str:
    """Return the pattern of the route that a request was for: addresses themselves are not kept."""
    return f"{request.method} {getattr(request.scope.get('route'), 'path', '-')}"[:120]
