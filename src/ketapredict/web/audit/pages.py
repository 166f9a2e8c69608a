"""The auditor's pages. Filters are sent as forms: a course's id in an address would end up in logs and histories."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response, StreamingResponse

from ketapredict.web.accounts.current_user import require
from ketapredict.web.accounts.roles import Role, User
from ketapredict.web.state import ServerState, State
from ketapredict.web.store.events import Event
from ketapredict.web.store.records import RECORDS, Filter, count_of, csv_of, page_of
from ketapredict.web.templating import render

Auditor = Annotated[User, Depends(require(Role.AUDITOR))]
router = APIRouter(prefix="/audit", dependencies=[Depends(require(Role.AUDITOR))])
Kind = Literal["predictions", "judgements", "events"]
TEXT = r"^[^\x00-\x1f\x7f]*$"
TITLES: dict[Kind, str] = {"predictions": "Shown predictions", "judgements": "Judgements", "events": "Security events"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A filter as a form has it.

    Attributes
    ----------
    user_name, course_id, first, last : str
        The days as `2026-11-23`; empty for all.
    before : int
        Records before this id; 0 for the newest.
    """

    user_name: str = ""
    course_id: str = ""
    first: str = ""
    last: str = ""
    before: int = 0

    def filter(self) -> Filter:
        """Return the filter; raises ValueError for a day that is none."""
        first = date.fromisoformat(self.first) if self.first else None
        last = date.fromisoformat(self.last) if self.last else None
        return Filter(self.user_name.strip(), self.course_id.strip(), first=first, last=last)


def asked(
    user_name: Annotated[str, Form(max_length=64, pattern=TEXT)] = "",
    course_id: Annotated[str, Form(max_length=200, pattern=TEXT)] = "",
    first: Annotated[str, Form(max_length=10)] = "",
    last: Annotated[str, Form(max_length=10)] = "",
    before: Annotated[int, Form(ge=0, lt=2**31)] = 0,
) -> Asked:
    """Read the form."""
    return Asked(user_name, course_id, first, last, before)


@router.get("")
def newest_predictions(request: Request, state: State) -> Response:
    """Show the newest predictions that were shown."""
    return _page(request, state, "predictions", Asked())


@router.get("/judgements")
def newest_judgements(request: Request, state: State) -> Response:
    """Show the newest judgements of clinicians."""
    return _page(request, state, "judgements", Asked())


@router.get("/events")
def newest_events(request: Request, state: State) -> Response:
    """Show the newest security events."""
    return _page(request, state, "events", Asked())


@router.post("/{kind}/filter")
def filtered(request: Request, state: State, kind: Kind, wanted: Annotated[Asked, Depends(asked)]) -> Response:
    """Show the records that a filter lets through, or further ones of them."""
    return _page(request, state, kind, wanted)


@router.post("/{kind}/export")
def export(
    request: Request, state: State, user: Auditor, kind: Kind, wanted: Annotated[Asked, Depends(asked)]
) -> Response:
    """Send the records that a filter lets through as CSV; that is recorded too."""
    try:
        chosen = wanted.filter()
    except ValueError:
        return _page(request, state, kind, wanted)
    state.security.record(Event.EXPORTED, request, user.name)
    rows: Iterator[str] = csv_of(state.database, RECORDS[kind], chosen)
    headers = {"Content-Disposition": f'attachment; filename="ketapredict-{kind}.csv"'}
    return StreamingResponse(rows, headers=headers, media_type="text/csv; charset=utf-8")


def _page(request: Request, state: ServerState, kind: Kind, wanted: Asked) -> Response:
    table = RECORDS[kind]
    content: dict[str, Any] = {"kind": kind, "title": TITLES[kind], "titles": TITLES, "wanted": wanted}
    try:
        chosen = wanted.filter()
    except ValueError:
        message = "Expected days as year-month-day, for instance 2026-11-23."
        return render(request, "audit.html", status=422, rows=[], total=0, message=message, next_before=0, **content)
    rows = page_of(state.database, table, chosen, wanted.before or None)
    total = count_of(state.database, table, chosen)
    more = page_of(state.database, table, chosen, rows[-1]["id"], 1) if rows else []
    return render(
        request,
        "audit.html",
        rows=rows,
        total=total,
        message="",
        next_before=rows[-1]["id"] if more else 0,
        **content,
    )
