"""Security events: what was refused, and who came and went."""

import threading
import time
from collections import Counter
from datetime import UTC, datetime
from enum import StrEnum

from fastapi import Request
from sqlalchemy import insert
from starlette.types import Scope

from ketapredict.web.networks import network_of
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
    EXPORTED = "records exported"
    MORE = "more of one address, not listed"


# What one address can add of one kind in a minute: a flood of refusals must not fill the disk.
PER_MINUTE = 60
_ROUTE = 120


class SecurityLog:
    """Adds security events to the store.

    Whoever has signed in leaves every event. What anybody can cause without signing in is cut at 60 a minute of each
    kind, account and address (the /64 of IPv6), and then that there were more: a flood hides nothing of another kind.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._minute, self._counts = 0, Counter[tuple[str, ...]]()

    def record(self, kind: Event, request: Request, user_name: str = UNKNOWN) -> None:
        """Add an event; `user_name` is that of an account, never what somebody typed."""
        address = request.client.host if request.client else UNKNOWN
        # Who is refused for too many attempts only typed the name of an account.
        anonymous = not user_name or kind is Event.TOO_MANY_ATTEMPTS
        before = self._so_far(kind, network_of(address), user_name) if anonymous else 0
        if before > PER_MINUTE:
            return
        with self._database.write() as connection:
            connection.execute(
                insert(security_events).values(
                    at=datetime.now(UTC),
                    kind=Event.MORE if before == PER_MINUTE else kind,
                    user_name=user_name,
                    address=address[:45],
                    route=route_of(request.scope),
                )
            )

    def _so_far(self, *of: str) -> int:
        """Count one more event, and return how many there were this minute."""
        minute = int(time.monotonic() // 60)
        with self._lock:
            if minute != self._minute:
                self._minute, self._counts = minute, Counter()
            self._counts[of] += 1
            return self._counts[of] - 1


def route_of(scope: Scope) -> str:
    """Return what a request was for, without what stands for a course: addresses themselves are not kept."""
    if "route" not in scope:
        return f"{scope['method']} -"[:_ROUTE]
    names = {str(value): f"{{{name}}}" for name, value in scope.get("path_params", {}).items()}
    pattern = "/".join(names.get(part, part) for part in scope["path"].split("/"))
    return f"{scope['method']} {pattern}"[:_ROUTE]
