"""One patient: the page, the summary to print, what-if, a new patient."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ketapredict.cohort.cohort import Cohort
from ketapredict.errors import CohortError, ModelError
from ketapredict.explain.patient import CAVEAT
from ketapredict.web.accounts.roles import User
from ketapredict.web.pages.courses import Clinician
from ketapredict.web.pages.entries import Entries, asked_landmark, find_course
from ketapredict.web.patient.entered import HOURS_KEPT
from ketapredict.web.patient.form import FieldGroup, course_from_entries, entries_of, form_columns, form_groups
from ketapredict.web.patient.frequencies import outcome_words
from ketapredict.web.patient.inputs import cell_text, label_of
from ketapredict.web.patient.judgement import LONGEST_REASON, JudgementForm, read_judgement
from ketapredict.web.patient.view import Estimate, estimate_of, patient_view
from ketapredict.web.state import ServerState, State
from ketapredict.web.store.recorder import Shown, Surface
from ketapredict.web.store.records import Filter, page_of
from ketapredict.web.store.schema import judgements
from ketapredict.web.templating import render

router = APIRouter()
NO_COURSE = "No course has this address. Addresses of courses change when the server is started again."
_JUDGEMENTS_SHOWN = 5
# Who is meant stays the same in what-if.
_IDENTITY = ("course_id", "patient_id", "site", "scale")


@dataclass(frozen=True, slots=True)
class Change:
    """One input that was changed, before and after, as the form shows them."""

    label: str
    before: str
    after: str


@router.get("/new")
def new_patient(request: Request, user: Clinician, state: State) -> HTMLResponse:  # noqa: ARG001
    """Show the empty form."""
    bundle = state.served.model.bundle
    single = {"scale": bundle.scales[0]} if len(bundle.scales) == 1 else {}
    return _form(request, form_groups(bundle, single))


@router.post("/new")
def new_patient_entered(request: Request, user: Clinician, state: State, entered: Entries) -> Response:
    """Keep the patient and go to the page, or show the form again with what is to be repaired."""
    bundle = state.served.model.bundle
    course, errors = course_from_entries(bundle, entered)
    if course is None:
        return _form(request, form_groups(bundle, entered, errors), wrong=True)
    return RedirectResponse(f"/courses/{state.entered.add(user.name, course)}", 303)


@router.post("/courses/{token}/copy")
def copy(request: Request, token: str, user: Clinician, state: State) -> HTMLResponse:
    """Show the form with the inputs of a course, for what is known by now or was wrong."""
    course, _ = find_course(state, user, token)
    if course is None:
        return render(request, "not_found.html", status=404, reason=NO_COURSE)
    bundle = state.served.model.bundle
    return _form(request, form_groups(bundle, entries_of(course, bundle)), copied=True)


@router.get("/courses/{token}")
def patient(request: Request, token: str, user: Clinician, state: State, landmark: str | None = None) -> HTMLResponse:
    """Show one patient, at the latest landmark or at one that is asked for."""
    return _patient_page(request, token, user, state, landmark, template="patient.html")


@router.get("/courses/{token}/summary")
def summary(request: Request, token: str, user: Clinician, state: State, landmark: str | None = None) -> HTMLResponse:
    """Show one patient on one page to print."""
    return _patient_page(request, token, user, state, landmark, template="summary.html")


@router.post("/courses/{token}/what-if")
def what_if(
    request: Request,
    token: str,
    user: Clinician,
    state: State,
    entered: Entries,
    x_fragment: Annotated[str | None, Header()] = None,
) -> HTMLResponse:
    """Show what the model would estimate with other inputs; with the header `X-Fragment` only that part of the page."""
    course, _ = find_course(state, user, token)
    if course is None:
        return render(request, "not_found.html", status=404, reason=NO_COURSE)
    model, bundle = state.served.model, state.served.model.bundle
    landmark = asked_landmark(state, entered.get("landmark"))
    own_entries = entries_of(course, bundle)
    changed = own_entries | {name: entered[name].strip() for name in own_entries if name in entered}
    changed |= {name: own_entries[name] for name in _IDENTITY}
    with state.computing:
        hypothetical, errors = course_from_entries(bundle, changed, _not_asked(course, state))
    labels = {name: label_of(column) for name, column in form_columns(bundle).items()}
    problems = [(labels.get(name, name), text) for name, text in errors.items()]
    own = estimate = None
    try:
        if hypothetical is not None:
            with state.computing:
                estimate = estimate_of(model, hypothetical, landmark)
                # The own estimate stands beside it, and perhaps at a landmark at which the page has not shown it.
                own = state.served.explanation(token, course, landmark)
            state.recorder.record(
                user,
                Shown(own, course, Surface.BESIDE_WHAT_IF),
                Shown(estimate.told, hypothetical, Surface.WHAT_IF),
            )
    except (CohortError, ModelError) as error:
        estimate = None
        problems.append(("Inputs", str(error)))
    return render(
        request,
        "_hypothetical.html" if x_fragment else "what_if.html",
        status=200 if estimate else 422,
        token=token,
        course_id=course.courses.cells("course_id")[0],
        landmark=landmark or "",
        groups=[] if x_fragment else _what_if_groups(state, changed, errors, landmark),
        own=own.probability if own else None,
        estimate=estimate,
        problems=problems,
        changes=_changes(own_entries, changed, labels),
        outcome=outcome_words(bundle.outcome, bundle.protocol.outcome),
    )


@router.post("/courses/{token}/judgement")
def judge(request: Request, token: str, user: Clinician, state: State, entered: Entries) -> Response:
    """Record what the clinician thinks of the estimate beside it, or show the form again."""
    course, _ = find_course(state, user, token)
    if course is None:
        return render(request, "not_found.html", status=404, reason=NO_COURSE)
    landmark = asked_landmark(state, entered.get("landmark"))
    judgement, form = read_judgement(entered)
    if judgement is None:
        return _patient_page(request, token, user, state, landmark, template="patient.html", judged=form)
    with state.computing:
        told = state.served.explanation(token, course, landmark)
    state.recorder.record_judgement(user, told, course, judgement)
    return RedirectResponse(f"/courses/{token}?landmark={told.landmark}#judgement-title", 303)


@router.get("/courses/{token}/judgement")
def judgement_address(token: str, user: Clinician) -> Response:  # noqa: ARG001
    """Lead to the patient: a browser that reloads the form that was shown again asks for its address."""
    return RedirectResponse(f"/courses/{token}", 303)


def _form(
    request: Request, groups: tuple[FieldGroup, ...], *, wrong: bool = False, copied: bool = False
) -> HTMLResponse:
    status = 422 if wrong else 200
    return render(request, "new_patient.html", status=status, groups=groups, wrong=wrong, copied=copied, caveat=CAVEAT)


def _patient_page(
    request: Request,
    token: str,
    user: User,
    state: ServerState,
    landmark: str | None,
    *,
    template: str,
    judged: JudgementForm | None = None,
) -> HTMLResponse:
    course, is_entered = find_course(state, user, token)
    if course is None:
        return render(request, "not_found.html", status=404, reason=NO_COURSE)
    landmark = asked_landmark(state, landmark)
    with state.computing:
        view = patient_view(state.served.model, course, landmark)
    bundle = state.served.model.bundle
    _record(state, user, view.estimate, course, is_entered=is_entered, printed=template == "summary.html")
    # Of these inputs only: an entered patient may have the id of one in the cohort.
    inputs = state.recorder.inputs_hmac(course.courses.plain_rows()[0])
    own = Filter(user_name=user.name, course_id=view.course_id, inputs_hmac=inputs)
    return render(
        request,
        template,
        status=422 if judged else 200,
        judgement=judged or JudgementForm(),
        judgements=page_of(state.database, judgements, own, rows=_JUDGEMENTS_SHOWN),
        longest_reason=LONGEST_REASON,
        view=view,
        token=token,
        query=f"?landmark={view.estimate.told.landmark}" if landmark and view.estimate else "",
        groups=_what_if_groups(
            state, entries_of(course, bundle), {}, view.estimate.told.landmark if view.estimate else None
        ),
        outcome=bundle.outcome,
        is_entered=is_entered,
        hours_kept=HOURS_KEPT,
        printed=f"{datetime.now(UTC):%d %B %Y, %H:%M} UTC",
        caveat=CAVEAT,
    )


def _record(
    state: ServerState, user: User, estimate: Estimate | None, course: Cohort, *, is_entered: bool, printed: bool
) -> None:
    """Record what is about to be shown."""
    if estimate is None:
        return
    surface = Surface.PRINT if printed else Surface.NEW_PATIENT if is_entered else Surface.PATIENT
    state.recorder.record(user, Shown(estimate.told, course, surface))


def _not_asked(course: Cohort, state: ServerState) -> dict[str, str]:
    """Return the cells of a course that no form asks for and an estimate may rest on: the arm."""
    if "arm" in form_columns(state.served.model.bundle):
        return {}
    return {"arm": cell_text(course.columns["arm"], course.courses.cells("arm")[0])}


def _what_if_groups(
    state: ServerState, entered: dict[str, str], errors: dict[str, str], landmark: str | None
) -> list[FieldGroup]:
    """Return the form with what an estimate at a landmark rests on alone."""
    groups = form_groups(state.served.model.bundle, entered, errors, landmark)
    return [kept for group in groups if (kept := group.only_inputs()).fields]


def _changes(before: dict[str, str], after: dict[str, str], labels: dict[str, str]) -> list[Change]:
    return [Change(labels[name], before[name], after[name]) for name in before if before[name] != after[name]]
