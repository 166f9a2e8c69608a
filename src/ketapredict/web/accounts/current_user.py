"""Who sends a request, and whether that role may."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from ketapredict.web.accounts.cookies import session_cookie
from ketapredict.web.accounts.directory import find_account
from ketapredict.web.accounts.refusals import NotSignedInError, Refused
from ketapredict.web.accounts.roles import Role, User
from ketapredict.web.accounts.sessions import Ended, NoSession, session_user
from ketapredict.web.settings import Proxy, SignIn
from ketapredict.web.state import ServerState, server_state
from ketapredict.web.store.events import Event

NOBODY = User("no sign-in", frozenset(Role), "no sign-in")


def current_user(request: Request) -> User:
    """Return who sends a request from a browser.

    Raises
    ------
    NotSignedInError
        If nobody is signed in.
    Refused
        If the proxy vouches for somebody without an account.
    """
    state = server_state(request)
    if state.settings.sign_in is SignIn.NONE:
        user = NOBODY
    elif state.settings.proxy is not None:
        user = _vouched_for(request, state, state.settings.proxy)
    else:
        user = _in_session(request, state)
    request.state.user = user
    return user


CurrentUser = Annotated[User, Depends(current_user)]


def require(*roles: Role) -> Callable[[Request, User], Awaitable[User]]:
    """Make a dependency that lets in users with one of some roles; refusals are recorded.

    Use: `user: Annotated[User, Depends(require(Role.CLINICIAN))]`.
    """

    async def required(request: Request, user: CurrentUser) -> User:
        await refuse_other_roles(request, user, roles)
        return user

    return required


async def refuse_other_roles(request: Request, user: User, roles: tuple[Role, ...]) -> None:
    """Raise Refused, and record it, unless a user has one of some roles."""
    if not user.roles & set(roles):
        await run_in_threadpool(server_state(request).security.record, Event.WRONG_ROLE, request, user.name)
        raise Refused(f"This is for the role {' or '.join(roles)}.")


def _in_session(request: Request, state: ServerState) -> User:
    token = request.cookies.get(session_cookie(state.settings))
    if not token:
        raise NotSignedInError
    found = session_user(state.database, state.settings, token)
    if isinstance(found, NoSession):
        expired = found.why is Ended.EXPIRED
        state.security.record(Event.SESSION_EXPIRED if expired else Event.UNKNOWN_SESSION, request, found.account)
        raise NotSignedInError
    return found


def _vouched_for(request: Request, state: ServerState, proxy: Proxy) -> User:
    """Believe the proxy's header only with the proxy's secret, and let in only who has an account here."""
    name = request.headers.get(proxy.user_header, "").strip().lower()
    secret = request.headers.get(proxy.secret_header, "")
    if not hmac.compare_digest(secret.encode(), proxy.secret.encode()):
        state.security.record(Event.WRONG_PROXY, request)
        raise Refused("This server is to be reached through the proxy that signs people in.")
    account = find_account(state.database, name) if name else None
    if account is None or account.disabled_at is not None:
        state.security.record(Event.NO_ACCOUNT, request)
        raise Refused("You are signed in, but have no account here. Ask for one (`ketapredict accounts add`).")
    # There is no session here; the form's token is this user's alone all the same, for its key is the server's.
    return User(account.name, frozenset({account.role}), f"proxy {account.name}")
