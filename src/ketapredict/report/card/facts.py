"""What a model card is made from, and how its numbers are written."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ketapredict.cohort.cohort import Cohort
from ketapredict.model.landmark_model import LandmarkModel
from ketapredict.model.prior import EvidencePrior
from ketapredict.response_model import ResponseModel
from ketapredict.validate.evaluation import Evaluation
from ketapredict.validate.study import Effort, LandmarkStudy


@dataclass(frozen=True, slots=True)
class CardFacts:
    """A model and what was found about it.

    Attributes
    ----------
    model : ResponseModel
    cohort : Cohort
        The courses that were trained on.
    studies : tuple of LandmarkStudy
        One per landmark of the model, in its order.
    effort : Effort
    refused : dict of str to str
        The reason for each landmark that could not be fitted or updated.
    evidence : EvidencePrior or None
        The prior that was started from, where there was one.
    tried_on : tuple of (str, Evaluation)
        Courses that the model has not met, in words, and how it did on them.
    updates : dict of str to dict
        For an updated model, by landmark: the method with its numbers, plain JSON values.
    """

    model: ResponseModel
    cohort: Cohort
    studies: tuple[LandmarkStudy, ...]
    effort: Effort
    refused: dict[str, str]
    updates: dict[str, dict[str, Any]] = field(default_factory=dict)
    evidence: EvidencePrior | None = None
    tried_on: tuple[tuple[str, Evaluation], ...] = ()

    @property
    def statement(self) -> str:
        """The first line of everything."""
        return self.model.bundle.statement

    @property
    def by_landmark(self) -> Iterator[tuple[LandmarkModel, LandmarkStudy]]:
        """Model and study of each landmark that was studied."""
        of = {study.landmark: study for study in self.studies}
        return ((model, of[model.landmark]) for model in self.model.bundle.landmarks if model.landmark in of)


def number(value: float | None, digits: int = 2) -> str:
    """Return a number as text; a dash where there is none."""
    return "–" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def interval(estimate: float, low: float, high: float, digits: int = 2) -> str:
    """Return `estimate (low to high)`; words where it cannot be estimated."""
    if not np.isfinite(estimate):
        return "not estimable"
    if not (np.isfinite(low) and np.isfinite(high)):
        return f"{estimate:.{digits}f} (no interval)"
    return f"{estimate:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
