"""Tokens in forms: a page of somebody else's cannot know them, and so cannot act in a user's name."""

import hmac

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from ketapredict.web.accounts.current_user import CurrentUser
from ketapredict.web.accounts.refusals import Refused
from ketapredict.web.accounts.roles import User
from ketapredict.web.state import ServerState, server_state
from ketapredict.web.store.events import Event

FIELD = "csrf_token"
HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def csrf_token(state: ServerState, user: User) -> str:
    """Return the token of a user's session: it is the same for the whole of it, and needs no storage."""
    return state.keys.sign("form", user.binding)


async def csrf_checked(request: Request, user: CurrentUser) -> None:
    """Refuse a request that changes something and has no token of the user's session, and record that.

    The token is in the form's field `csrf_token`, or in the header `X-CSRF-Token`.
    """
    if request.method in SAFE_METHODS:
        return
    given = request.headers.get(HEADER)
    if given is None:
        field = (await request.form()).get(FIELD)
        given = field if isinstance(field, str) else ""
    state = server_state(request)
    if not hmac.compare_digest(given.encode(), csrf_token(state, user).encode()):
        await run_in_threadpool(state.security.record, Event.FORGED_FORM, request, user.name)
        raise Refused("This form is not, or no longer, one of your session's. Go back, load the page again and repeat.")
