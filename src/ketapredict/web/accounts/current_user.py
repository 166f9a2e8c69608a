"""Who sends a request, and whether that role may."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from ketapredict.web.accounts.refusals import NotSignedInError, Refused
from ketapredict.web.accounts.roles import Role, User
from ketapredict.web.settings import SignIn
from ketapredict.web.state import ServerState, server_state
from ketapredict.web.store.events import Event

NOBODY = User("no sign-in", frozenset(Role), "no sign-in")


def current_user(request: Request) -> User:
    """Return who sends a request from a browser.

    Raises
    ------
    NotSignedInError
    """
    user = _identified(request, server_state(request))
    if user is None:
        raise NotSignedInError
    request.state.user = user
    return user


CurrentUser = Annotated[User, Depends(current_user)]


def require(*roles: Role) -> Callable[[Request, User], User]:
    """Make a dependency that lets in users with one of some roles; refusals are recorded.

    Use: `user: Annotated[User, Depends(require(Role.CLINICIAN))]`.
    """

    def required(request: Request, user: CurrentUser) -> User:
        if not user.roles & set(roles):
            server_state(request).security.record(Event.WRONG_ROLE, request, user.name)
            raise Refused(f"This page is for the role {' or '.join(roles)}.")
        return user

    return required


def _identified(request: Request, state: ServerState) -> User | None:  # noqa: ARG001
    if state.settings.sign_in is SignIn.NONE:
        return NOBODY
    return None
