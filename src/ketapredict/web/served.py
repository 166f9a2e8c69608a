"""What a server serves: one model and perhaps one cohort, loaded once and never changed."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ketapredict.cohort.cohort import Cohort
from ketapredict.explain.patient import PatientExplanation
from ketapredict.response_model import ResponseModel, Scored
from ketapredict.web.course_tokens import CourseTokens
from ketapredict.web.patient.course_list import CourseRow, course_rows
from ketapredict.web.settings import Settings


@dataclass(frozen=True)
class Served:
    """The model and the courses of a server.

    Attributes
    ----------
    model : ResponseModel
    cohort : Cohort or None
    tokens : CourseTokens
        What stands for a course in an address.
    """

    model: ResponseModel
    cohort: Cohort | None = None
    tokens: CourseTokens = field(init=False)

    def __post_init__(self) -> None:
        """Refuse a cohort that the model cannot predict; make the tokens."""
        if self.cohort is not None:
            self.model.refuse_other_cohort(self.cohort)
        ids = () if self.cohort is None else tuple(map(str, self.cohort.table["course_id"]))
        object.__setattr__(self, "tokens", CourseTokens(ids))

    def course(self, token: str) -> Cohort | None:
        """Return the one course that a token stands for, or None."""
        course_id = self.tokens.course_id(token)
        if self.cohort is None or course_id is None:
            return None
        return self.cohort.subset(np.asarray(self.cohort.courses.cells("course_id") == course_id, dtype=bool))

    @cached_property
    def scored(self) -> Scored | None:
        """All courses scored at their latest landmarks, once: neither model nor courses change."""
        return None if self.cohort is None else self.model.score(self.cohort)

    @cached_property
    def rows(self) -> tuple[CourseRow, ...]:
        """The courses as the list shows them."""
        return () if self.cohort is None or self.scored is None else course_rows(self.scored, self.cohort)

    def explanation(self, token: str, course: Cohort, landmark: str | None) -> PatientExplanation:
        """Return the explanation of a course at a landmark, computed once where it is one of the cohort.

        Raises
        ------
        CohortError, ModelError
            If it cannot be predicted there.
        """
        found = self._explanations.get((token, landmark))
        if found is None:
            found = self.model.explain(course, course.courses.cells("course_id")[0], landmark)
            if self.tokens.course_id(token) is not None:
                self._explanations[token, landmark] = found
        return found

    @cached_property
    def _explanations(self) -> dict[tuple[str, str | None], PatientExplanation]:
        return {}


def load_served(settings: Settings) -> Served:
    """Load what the settings name.

    Raises
    ------
    KetapredictError
        If the model or the cohort cannot be read, or do not fit.
    """
    from ketapredict.tracking.registry import find_model

    return served_by(find_model(settings.model), settings)


def served_by(model: ResponseModel, settings: Settings) -> Served:
    """Read the cohort that the settings name, if any, as the model needs it; raises KetapredictError."""
    from ketapredict.cohort.read import read_cohort

    if settings.cohort is None:
        return Served(model)
    protocol, extras = model.bundle.protocol, model.bundle.extras
    return Served(model, read_cohort(settings.cohort, settings.mapping, protocol, extras=extras))
