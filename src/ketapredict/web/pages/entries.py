"""What a form sent, and the course that an address stands for."""

from typing import Annotated

from fastapi import Depends, Request

from ketapredict.cohort.cohort import Cohort
from ketapredict.errors import ModelError
from ketapredict.web.accounts.roles import User
from ketapredict.web.state import ServerState


async def entries(request: Request) -> dict[str, str]:
    """Return the texts that a form sent, by the names of its fields."""
    return {name: value for name, value in (await request.form()).multi_items() if isinstance(value, str)}


Entries = Annotated[dict[str, str], Depends(entries)]


def asked_landmark(state: ServerState, text: str | None) -> str | None:
    """Return the landmark that is asked for, None for the latest; raises ModelError without what was sent."""
    landmarks = state.served.model.landmarks
    if not text:
        return None
    if text not in landmarks:
        raise ModelError(f"Expected a landmark of the model ({', '.join(landmarks)}); found another.")
    return text


def find_course(state: ServerState, user: User, token: str) -> tuple[Cohort | None, bool]:
    """Return the course of a token and whether the user entered it; None where there is none for this user."""
    entered = state.entered.course(user.name, token)
    return (entered, True) if entered is not None else (state.served.course(token), False)
