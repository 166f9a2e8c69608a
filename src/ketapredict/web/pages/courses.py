"""The list of the courses of the loaded cohort. What is searched for travels in the body: ids are patient data."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from ketapredict.explain.patient import CAVEAT
from ketapredict.web.accounts.current_user import require
from ketapredict.web.accounts.roles import Role, User
from ketapredict.web.pages.entries import Entries
from ketapredict.web.patient.course_list import SCOPES, SORTS, Selection, select
from ketapredict.web.state import ServerState, State
from ketapredict.web.store.recorder import Surface
from ketapredict.web.templating import render

router = APIRouter()
Clinician = Annotated[User, Depends(require(Role.CLINICIAN))]


@router.get("/courses")
def courses(request: Request, user: Clinician, state: State) -> HTMLResponse:
    """Show the first page of the list."""
    return _list(request, user, state, Selection(), {})


@router.post("/courses")
def courses_found(request: Request, user: Clinician, state: State, entered: Entries) -> HTMLResponse:
    """Show what was searched for."""
    page = entered.get("page", "1")
    asked = Selection(
        search=entered.get("search", ""),
        landmark=entered.get("landmark", ""),
        scope=entered.get("scope", "") if entered.get("scope") in SCOPES else "",
        lowest=_share(entered.get("lowest", "")),
        highest=_share(entered.get("highest", "")),
        sort=entered.get("sort", "course"),
        page=int(page) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
    )
    return _list(request, user, state, asked, entered)


def _list(request: Request, user: User, state: ServerState, asked: Selection, entered: dict[str, str]) -> HTMLResponse:
    served = state.served
    bundle = served.model.bundle
    landmarks = served.model.landmarks
    shown = select(served.rows, asked, landmarks)
    if served.cohort is not None and served.scored is not None:
        ids = [row.course_id for row in shown.rows if row.probability is not None]
        table = served.scored.table
        state.recorder.record_table(user, table[table["course_id"].isin(ids)], served.cohort, Surface.LIST)
    return render(
        request,
        "courses.html",
        asked=asked,
        lowest=entered.get("lowest", ""),
        highest=entered.get("highest", ""),
        shown=shown,
        rows=[(row, served.tokens.token(row.course_id)) for row in shown.rows],
        total=len(served.rows),
        landmarks=landmarks,
        outcome=bundle.outcome,
        scopes=SCOPES,
        sorts=SORTS,
        caveat=CAVEAT,
    )


def _share(percent: str) -> float | None:
    """Return a percentage that was typed as a share; None where it is none."""
    try:
        share = float(percent.replace(",", ".").rstrip(" %")) / 100.0
    except ValueError:
        return None
    return share if 0.0 <= share <= 1.0 else None
