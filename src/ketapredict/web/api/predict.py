"""Predict courses that are sent: validated as every table, recorded as everything that is shown."""

from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, Field, create_model

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.columns import declared_columns
from ketapredict.cohort.outcomes import outcome_labels
from ketapredict.cohort.read import cohort_from_cells
from ketapredict.explain.patient import CAVEAT, columns_read
from ketapredict.explain.since import since_landmark
from ketapredict.explain.words import concept_label, sentences, steps_largest_first
from ketapredict.monitoring import open_questions
from ketapredict.response_model import ResponseModel
from ketapredict.web.accounts.roles import Role, User
from ketapredict.web.answers import problem
from ketapredict.web.api.forms import (
    Contribution,
    Interval,
    MissingInput,
    ModelName,
    Prediction,
    Predictions,
    Problem,
    Reject,
    Strict,
    course_form,
)
from ketapredict.web.api.machine_user import require_machine
from ketapredict.web.api.monitoring import told_notes, told_rules
from ketapredict.web.patient.inputs import inputs_of
from ketapredict.web.patient.view import verdicts_of
from ketapredict.web.state import State
from ketapredict.web.store.recorder import Surface

PREDICTS = (Role.CLINICIAN, Role.DATA_SCIENTIST)


def predict_router(model: ResponseModel, most_courses: int) -> APIRouter:
    """Make the route; what it takes is declared by the model.

    Parameters
    ----------
    model : ResponseModel
    most_courses : int
        Courses in one request.
    """
    router = APIRouter()
    asked = _request_form(model, most_courses)

    @router.post(
        "/predict", response_model=Predictions, responses={status: {"model": Problem} for status in (400, 413, 422)}
    )
    def predict(
        request: asked,  # type: ignore[valid-type]
        state: State,
        user: Annotated[User, Depends(require_machine(*PREDICTS))],
    ) -> Response:
        """Predict courses, each at its latest landmark or all at one, with what each estimate rests on.

        For every course that breaks no rule it tells what to watch, also where it cannot be predicted. Courses that
        break a rule are listed with the rule; 422 if all do.
        """
        served = state.served.model
        with state.computing:
            cohort = _cohort(request.courses, served)  # type: ignore[attr-defined]
            scored, refused, _ = served.score_columns(cohort, request.landmark)  # type: ignore[attr-defined]
            rejects = _rejects([cohort.rejects, refused])
            if not len(cohort):
                told = [reject.model_dump() for reject in rejects]
                return problem(422, "No course can be predicted: see `rejects`.", rejects=told)
            results, courses = scored.plain_rows(), cohort.courses.plain_rows()
            answer = Predictions(
                statement=served.bundle.statement,
                caveat=CAVEAT,
                monitoring=told_notes(cohort, courses),
                rules=told_rules(cohort.protocol),
                model=model_name(served),
                courses=cohort.counts.courses,
                predicted=len(results),
                rejected=cohort.counts.courses - len(results),
                predictions=_predictions(served, cohort, results, courses),
                rejects=rejects,
            ).model_dump_json()
        state.recorder.record_rows(user, results, courses, Surface.REST)
        return Response(answer, media_type="application/json")

    return router


def model_name(model: ResponseModel) -> ModelName:
    """Say which model it is."""
    return ModelName(
        name=model.bundle.name, version=model.version, sha256=model.sha256, trained_on=model.bundle.trained_on
    )


def _request_form(model: ResponseModel, most_courses: int) -> type[BaseModel]:
    courses: Any = (list[course_form(model)], Field(min_length=1, max_length=most_courses))  # type: ignore[misc]
    landmark: Any = (
        Literal[model.landmarks] | None,
        Field(default=None, description="One landmark for all; by default each course's latest."),
    )
    return create_model("PredictRequest", __base__=Strict, courses=courses, landmark=landmark)


def _cohort(courses: list[BaseModel], model: ResponseModel) -> Cohort:
    """Validate courses: the columns that any of them has, and the required ones; what is absent takes no time."""
    protocol, own = model.bundle.protocol, model.bundle.extras
    given = {name for course in courses for name in course.model_fields_set}
    extras = (*own, *(question for question in open_questions(protocol, own) if question.name in given))
    declared = declared_columns(protocol, extras)
    names = [name for name, column in declared.items() if name in given or column.required]
    cells = {name: np.array([getattr(course, name) for course in courses], dtype=object) for name in names}
    return cohort_from_cells(cells, len(courses), protocol, extras)


def _rejects(tables: list[pd.DataFrame]) -> list[Reject]:
    if not any(map(len, tables)):
        return []
    ordered = pd.concat([table for table in tables if len(table)]).sort_values("row", kind="stable")
    return [
        Reject(row=int(row), column=column or None, rule=rule, expected=expected)
        for row, column, rule, expected in zip(
            ordered["row"], ordered["column"], ordered["rule"], ordered["expected"], strict=True
        )
    ]


def _predictions(
    model: ResponseModel, cohort: Cohort, results: list[dict[str, Any]], courses: list[dict[str, Any]]
) -> list[Prediction]:
    if not results:
        return []
    places = {course["course_id"]: place for place, course in enumerate(courses)}
    fitted = {landmark.landmark: landmark for landmark in model.bundle.landmarks}
    read = {name: columns_read(landmark, cohort) for name, landmark in fitted.items()}
    labels = outcome_labels(cohort, model.bundle.outcome).tolist()
    shap = [name for name in results[0] if name.startswith("shap_")]
    told = []
    for result in results:
        place = places[result["course_id"]]
        own = fitted[result["landmark"]]
        since = since_landmark(courses[place], cohort.protocol, own.landmark, result["outcome"], labels[place])
        # NaN is no number: the landmark's model has no such concept.
        present = [name for name in shap if result[name] == result[name]]
        values = np.array([result[name] for name in present])
        names = tuple(name.removeprefix("shap_") for name in present)
        # A concept without any contribution has nothing to tell, here as in every other explanation.
        steps = [step for step in steps_largest_first(result["base_logit"], names, values) if step[1] != 0.0]
        told.append(
            Prediction(
                row=int(cohort.rows[place]),
                course_id=result["course_id"],
                landmark=result["landmark"],
                outcome=result["outcome"],
                probability=result["probability"],
                interval=_interval(result["p_low"], result["p_high"]),
                trained_on=result["trained_on"],
                in_scope=result["in_scope"],
                notes=result["notes"],
                verdicts=None if (verdicts := verdicts_of(model, own.landmark)) is None else list(verdicts),
                later_ratings=list(since.later_ratings),
                had_outcome=since.had_outcome,
                since=since.words,
                missing_inputs=[
                    MissingInput(name=found.name, label=found.label)
                    for found in inputs_of(own, courses[place], cohort.columns)
                    if found.is_missing
                ],
                training_rate=own.event_rate,
                training_courses=own.courses,
                updating_rate=own.latest_rate if own.updated else None,
                updating_courses=own.updated.courses if own.updated else None,
                base_logit=result["base_logit"],
                contributions=[
                    Contribution(
                        concept=concept,
                        label=concept_label(concept),
                        log_odds=value,
                        probability_before=before,
                        probability_after=after,
                    )
                    for concept, value, before, after in steps
                ],
                sentences=sentences(
                    steps, courses[place], read[result["landmark"]], cohort.protocol, result["landmark"]
                ),
            )
        )
    return told


def _interval(low: float, high: float) -> Interval | None:
    return None if low != low else Interval(low=low, high=high)
