"""Which machine sends a request."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ketapredict.web.accounts.current_user import NOBODY, refuse_other_roles
from ketapredict.web.accounts.machine_tokens import token_user
from ketapredict.web.accounts.refusals import NotSignedInError
from ketapredict.web.accounts.roles import Role, User
from ketapredict.web.settings import SignIn
from ketapredict.web.state import State
from ketapredict.web.store.events import Event

_BEARER = HTTPBearer(auto_error=False, description="A token made by `ketapredict tokens add`.")


async def machine_user(
    request: Request, state: State, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
) -> User:
    """Return whose token a request bears; cookies of browsers count for nothing here.

    Raises
    ------
    NotSignedInError
        If it bears none that is valid.
    """
    if state.settings.sign_in is SignIn.NONE:
        return NOBODY
    if given is None:
        raise NotSignedInError
    user = await run_in_threadpool(token_user, state.database, given.credentials)
    if user is None:
        await run_in_threadpool(state.security.record, Event.WRONG_TOKEN, request)
        raise NotSignedInError
    return user


MachineUser = Annotated[User, Depends(machine_user)]


def require_machine(*roles: Role) -> Callable[[Request, User], Awaitable[User]]:
    """Make a dependency that lets in machines with one of some roles; refusals are recorded."""

    async def required(request: Request, user: MachineUser) -> User:
        await refuse_other_roles(request, user, roles)
        return user

    return required
