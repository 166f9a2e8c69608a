"""The record of every prediction that is shown: who, when, which course, from what, by which model, what."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import is_missing
from ketapredict.cohort.cohort import Cohort
from ketapredict.explain.patient import PatientExplanation
from ketapredict.response_model import ResponseModel
from ketapredict.web.accounts.roles import User
from ketapredict.web.keys import Keys
from ketapredict.web.patient.judgement import Judgement
from ketapredict.web.records import plain_rows
from ketapredict.web.store.database import Database
from ketapredict.web.store.schema import judgements, shown_predictions
from ketapredict.web.store.shared_commits import SharedCommits

_IDENTITY = ("course_id", "patient_id", "site")


class Surface(StrEnum):
    """Where a prediction was shown."""

    LIST = "list"
    PATIENT = "patient"
    PRINT = "print"
    NEW_PATIENT = "new patient"
    WHAT_IF = "what-if"
    BESIDE_WHAT_IF = "beside what-if"
    REST = "rest"


@dataclass(frozen=True, slots=True)
class Shown:
    """The explanation of one course, the course, and where it is shown."""

    told: PatientExplanation
    course: Cohort
    surface: Surface


class Recorder:
    """Adds shown predictions to the store; call it before the response is sent.

    What is kept of the inputs is their HMAC-SHA256 under a key that is not in the database: enough to show that two
    predictions had the same inputs, or that these inputs were those, and nothing of what they were.

    Parameters
    ----------
    database : Database
    keys : Keys
    model : ResponseModel
    """

    def __init__(self, database: Database, keys: Keys, model: ResponseModel) -> None:
        self._commits, self._keys, self._model = SharedCommits(database), keys, model

    def record(self, user: User, *shown: Shown) -> None:
        """Record what one page shows to a user, all of it or nothing; on return it is on disk."""
        self._add(
            user,
            [
                {name: _plain(getattr(one.told, name)) for name in _RESULT}
                | {"surface": one.surface, "inputs_hmac": self.inputs_hmac(one.course.courses.plain_rows()[0])}
                for one in shown
            ],
        )

    def record_table(self, user: User, scored: pd.DataFrame, cohort: Cohort, surface: Surface) -> None:
        """Record predictions of several courses in one transaction.

        Parameters
        ----------
        user : User
        scored : pandas.DataFrame
            Rows of `Scored.table` that are shown.
        cohort : Cohort
            Holds at least their courses.
        surface : Surface
        """
        ids = cohort.courses.cells("course_id")
        shown = cohort.courses.some(np.asarray(pd.Series(ids).isin(scored["course_id"])))
        self.record_rows(user, plain_rows(scored), shown.plain_rows(), surface)

    def record_rows(
        self, user: User, scored: list[dict[str, Any]], courses: list[dict[str, Any]], surface: Surface
    ) -> None:
        """Record predictions whose tables are plain rows already; otherwise as `record_table`."""
        inputs = {course["course_id"]: course for course in courses}
        self._add(
            user,
            [
                {name: _plain(result[name]) for name in _RESULT}
                | {"surface": surface, "inputs_hmac": self.inputs_hmac(inputs[result["course_id"]])}
                for result in scored
            ],
        )

    def record_judgement(self, user: User, told: PatientExplanation, course: Cohort, judged: Judgement) -> None:
        """Record what a user thinks of an estimate, beside it; on return it is on disk."""
        row = {name: _plain(getattr(told, name)) for name in _RESULT if name not in ("p_low", "p_high", "in_scope")}
        row |= {
            "at": datetime.now(UTC),
            "user_name": user.name,
            "inputs_hmac": self.inputs_hmac(course.courses.plain_rows()[0]),
            "model_sha256": self._model.sha256,
            "trained_on": self._model.bundle.trained_on,
            "own_probability": judged.probability,
            "reason": _plain(judged.reason),
        }
        self._commits.insert(judgements, [row])

    def inputs_hmac(self, course: Mapping[Any, Any]) -> str:
        """Return the HMAC of a course's inputs: of its typed values that are present, whatever it is called."""
        values = {name: _plain(value) for name, value in course.items() if name not in _IDENTITY}
        present = {name: value for name, value in values.items() if value is not None}
        return self._keys.sign("inputs", json.dumps(present, sort_keys=True, separators=(",", ":"), allow_nan=False))

    def _add(self, user: User, results: list[dict[str, Any]]) -> None:
        if not results:
            return
        common = {
            "at": datetime.now(UTC),
            "user_name": user.name,
            "model_sha256": self._model.sha256,
            "trained_on": self._model.bundle.trained_on,
        }
        self._commits.insert(shown_predictions, [common | result for result in results])


_RESULT = (
    "course_id",
    "model_name",
    "model_version",
    "landmark",
    "outcome",
    "probability",
    "p_low",
    "p_high",
    "in_scope",
)


def _plain(value: Any) -> Any:
    """Return a cell as JSON has it; None where it is missing."""
    if isinstance(value, float):
        return None if value != value else float(value)
    if is_missing(value):
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    # PostgreSQL takes no NUL.
    return float(value) if isinstance(value, (int, float, np.number)) else str(value).replace("\x00", "\ufffd")
