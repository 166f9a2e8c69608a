"""One batch of raw courses scored: the same for every engine."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.columns import Column
from ketapredict.cohort.observed import Observed
from ketapredict.cohort.raw_courses import RawCourses
from ketapredict.cohort.read import validated
from ketapredict.explain.scored import Explain, ScoredColumns
from ketapredict.response_model import ResponseModel

# What is in memory at a time; a piece of the output.
ROWS_AT_ONCE = 131_072


@dataclass(frozen=True, slots=True)
class ValidBatch:
    """The accepted courses of a batch, its rejects, and what was observed of them."""

    cohort: Cohort
    observed: Observed


@dataclass(frozen=True, slots=True)
class ScoredBatch:
    """What became of the courses of a batch: each is scored or has a broken rule.

    Attributes
    ----------
    columns : ScoredColumns
        Of the scored courses.
    rows : numpy.ndarray of int64
        Of each of these the number of its row in the source.
    rejects : pandas.DataFrame
        Broken rules in the order of rows: the cohort's, then the model's.
    courses : int
    largest_residual : float
    observed : Observed
    """

    columns: ScoredColumns
    rows: np.ndarray
    rejects: pd.DataFrame
    courses: int
    largest_residual: float
    observed: Observed


def validated_batch(model: ResponseModel, raw: RawCourses, extras: tuple[Column, ...]) -> ValidBatch:
    """Validate raw courses under a model's protocol."""
    cohort, observed = validated(raw, model.bundle.protocol, extras)
    # The thread that reads has more time than the one that scores.
    cohort.courses.tell_apart(model.columns_read)
    return ValidBatch(cohort, observed)


def score_batch(model: ResponseModel, batch: ValidBatch, landmark: str | None, explain: Explain) -> ScoredBatch:
    """Score courses; how they are divided into batches has no influence on what a course gets."""
    cohort = batch.cohort
    columns, refused, residual = model.score_columns(cohort, landmark)
    parts = [part for part in (cohort.rejects, refused) if len(part)]
    rejects = cohort.rejects
    if parts:
        rejects = pd.concat(parts).sort_values("row", kind="stable", ignore_index=True)
    return ScoredBatch(
        columns.explained(explain),
        cohort.rows[columns.rows],
        rejects,
        cohort.counts.courses,
        residual,
        batch.observed,
    )
