"""The list of the courses of the loaded cohort. What is searched for travels in the body: ids are patient data."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from ketapredict.explain.patient import CAVEAT
from ketapredict.monitoring import held_by_urgency, latest_rated, monitoring_notes
from ketapredict.web.accounts.current_user import require
from ketapredict.web.accounts.roles import Role, User
from ketapredict.web.pages.entries import Entries
from ketapredict.web.patient.course_list import SCOPES, SORTS, Selection, select
from ketapredict.web.patient.typed_numbers import typed_percent
from ketapredict.web.served import Served
from ketapredict.web.state import ServerState, State
from ketapredict.web.store.recorder import Surface
from ketapredict.web.templating import render

router = APIRouter()
PERCENTS = {"lowest": "Probability from (%)", "highest": "to (%)"}
Clinician = Annotated[User, Depends(require(Role.CLINICIAN))]


@router.get("/courses")
def courses(request: Request, user: Clinician, state: State) -> HTMLResponse:
    """Show the first page of the list."""
    return _found(request, user, state, {})


@router.get("/courses/found")
def courses_found_last(request: Request, user: Clinician, state: State) -> HTMLResponse:
    """Show what was searched for last in this session: where the way back from a patient leads."""
    return _found(request, user, state, state.searches.last(user))


@router.post("/courses")
def courses_found(request: Request, user: Clinician, state: State, entered: Entries) -> HTMLResponse:
    """Show what was searched for."""
    state.searches.keep(user, entered)
    return _found(request, user, state, entered)


def _found(request: Request, user: User, state: ServerState, entered: dict[str, str]) -> HTMLResponse:
    page = entered.get("page", "1")
    shares = {name: typed_percent(text) for name in PERCENTS if (text := entered.get(name, "").strip())}
    asked = Selection(
        search=entered.get("search", ""),
        landmark=entered.get("landmark", ""),
        scope=entered.get("scope", "") if entered.get("scope") in SCOPES else "",
        lowest=shares.get("lowest", (None, ""))[0],
        highest=shares.get("highest", (None, ""))[0],
        sort=entered.get("sort", "course"),
        page=int(page) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
    )
    errors = {name: error for name, (_, error) in shares.items() if error}
    return _list(request, user, state, asked, entered, errors)


def _list(
    request: Request,
    user: User,
    state: ServerState,
    asked: Selection,
    entered: dict[str, str],
    errors: dict[str, str],
) -> HTMLResponse:
    served = state.served
    bundle = served.model.bundle
    landmarks = served.model.landmarks
    shown = select(served.rows, asked, landmarks)
    if served.cohort is not None and served.scored is not None:
        ids = [row.course_id for row in shown.rows if row.probability is not None]
        table = served.scored.table
        state.recorder.record_table(user, table[table["course_id"].isin(ids)], served.cohort, Surface.LIST)
    tokens = [served.tokens.token(row.course_id) for row in shown.rows]
    return render(
        request,
        "courses.html",
        status=422 if errors else 200,
        asked=asked,
        percents=[(name, label, entered.get(name, ""), errors.get(name, "")) for name, label in PERCENTS.items()],
        shown=shown,
        rows=[(row, token, _urgent(served, token)) for row, token in zip(shown.rows, tokens, strict=True)],
        total=len(served.rows),
        landmarks=landmarks,
        outcome=bundle.outcome,
        scopes=SCOPES,
        sorts=SORTS,
        caveat=CAVEAT,
    )


def _urgent(served: Served, token: str) -> str:
    """Return what is to be acted on before anything else, in words: nothing of what is not known."""
    course = served.course(token)
    if course is None:
        return ""
    (values,) = course.courses.plain_rows()
    protocol = course.protocol
    held = held_by_urgency(monitoring_notes(values, protocol, latest_rated(values, protocol), course.extras))
    return ", ".join(f"{urgency}: {held[urgency]}" for urgency in ("today", "before infusing") if urgency in held)
