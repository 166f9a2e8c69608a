"""A model, and perhaps its champion, on courses that neither was trained on: the same courses for both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.cohort.outcomes import outcome_labels
from ketapredict.cohort.protocols import Protocol
from ketapredict.cohort.read import read_cohort
from ketapredict.errors import CohortError, ModelError
from ketapredict.model.bundle import data_hashes
from ketapredict.model.training_rows import training_rows
from ketapredict.response_model import ResponseModel
from ketapredict.validate.evaluation import refuse_other_outcome
from ketapredict.validate.intervals import Interval, bootstrap_difference, bootstrap_interval
from ketapredict.validate.replicates import draw_secret, paired_differences, replicates
from ketapredict.validate.subgroups import subgroup_table, subgroup_variables


@dataclass(frozen=True, slots=True)
class HoldOutLandmark:
    """Figures of the first model at one of its landmarks, and its differences from the second.

    Attributes
    ----------
    landmark : str
    courses, events : int
    measures : dict of str to Interval
        As by `bootstrap_interval`.
    log_loss_gain : Interval
        Log-loss minus that of the model's training rate, which is what one would know without it; paired.
    subgroups : pandas.DataFrame
        As by `subgroup_table`.
    differences : dict of str to Interval or None
        First minus second, as by `paired_differences`; None where there is no second model with the landmark.
    """

    landmark: str
    courses: int
    events: int
    measures: dict[str, Interval]
    log_loss_gain: Interval
    subgroups: pd.DataFrame
    differences: dict[str, Interval] | None


def read_hold_out(
    path: str | Path,
    mapping: str | Path | None,
    models: Sequence[ResponseModel],
    protocol: Protocol | None = None,
) -> list[Cohort]:
    """Read a hold-out for each model: under its protocol, with the extra covariates of all of them.

    Parameters
    ----------
    path : str or Path
    mapping : str, Path or None
    models : sequence of ResponseModel
    protocol : Protocol or None
        What the hold-out is said to follow; its outcome must be at the models' time.

    Returns
    -------
    list of Cohort
        One for each model.

    Raises
    ------
    CohortError
        If all courses are rejected.
    ProtocolError
        If outcomes are at different times.
    ModelError
        If two models declare a covariate differently.
    FileError, MappingError
        If the files cannot be read.
    """
    for model in models:
        refuse_other_outcome(models[0], model.bundle.protocol)
        if protocol is not None:
            refuse_other_outcome(model, protocol)
    extras = _all_extras(models)
    cohorts: list[Cohort] = []
    for model in models:
        # Read once where protocols agree, as they nearly always do.
        known = [c for c, m in zip(cohorts, models, strict=False) if m.bundle.protocol == model.bundle.protocol]
        cohort = known[0] if known else read_cohort(path, mapping, model.bundle.protocol, extras=extras)
        if not len(cohort):
            raise CohortError(
                f"Expected courses in the hold-out; all {cohort.counts.courses} were rejected. `ketapredict check` "
                "lists every broken rule."
            )
        cohorts.append(cohort)
    return cohorts


def refuse_training_data(model: ResponseModel, cohort: Cohort) -> None:
    """Refuse a cohort whose accepted courses are those that a model was trained on.

    Single courses are not looked for here, only the whole, by its hash.

    Raises
    ------
    CohortError
        With the model's version.
    """
    if {cohort.sha256, as_declared(model, cohort).sha256} & set(data_hashes(model.bundle.provenance)):
        raise CohortError(
            f"Expected a hold-out that no model was trained on; these are the training courses of version "
            f"{model.version}. Name other courses with --on."
        )


def as_declared(model: ResponseModel, cohort: Cohort) -> Cohort:
    """Return a cohort with the columns that a model declares, and no others."""
    names = declared_columns(model.bundle.protocol, model.bundle.extras)
    return replace(cohort, courses=CourseColumns({name: cohort.courses.cells(name) for name in names}))


def measure_hold_out(cohorts: Sequence[Cohort], models: Sequence[ResponseModel]) -> list[HoldOutLandmark]:
    """Measure the first model at each of its landmarks, beside the second on the same courses.

    A course counts where its outcome is known, it has the landmark's score, and both models predict it;
    control courses only where both models were trained on all arms.

    Parameters
    ----------
    cohorts : sequence of Cohort
        From `read_hold_out`: one for each model.
    models : sequence of ResponseModel
        One or two.

    Returns
    -------
    list of HoldOutLandmark
        Landmarks without any course are left out.

    Raises
    ------
    CohortError
        If the models' protocols give a course different outcomes, or no landmark has a course.
    """
    with_arm = all(model.bundle.with_arm for model in models)
    courses = [cohort if with_arm else cohort.subset(cohort.active) for cohort in cohorts]
    found = []
    for position, landmark in enumerate(models[0].landmarks):
        predicting = [k for k, model in enumerate(models) if landmark in model.landmarks]
        tables = [predicted(models[k], courses[k], landmark) for k in predicting]
        if any(table is None for table in tables):
            continue
        first, *others = [table for table in tables if table is not None]
        common = first.index
        for other in others:
            common = common[common.isin(other.index)]
        if not len(common):
            continue
        rows = [table.loc[common] for table in (first, *others)]
        y = rows[0]["label"].to_numpy(float)
        if any((row["label"].to_numpy(float) != y).any() for row in rows):
            raise CohortError("Expected one outcome for each course; the models' protocols judge it differently.")
        cohort = courses[0].subset(courses[0].table["course_id"].isin(common).to_numpy())
        patients, p = cohort.patients, rows[0]["probability"].to_numpy(float)
        rate = np.full(len(y), models[0].bundle.landmarks[position].event_rate)
        secret = draw_secret(cohort)
        drawn = [
            replicates(y, row["probability"].to_numpy(float), patients, landmark, secret, models[0].bundle.outcome)
            for row in rows
        ]
        found.append(
            HoldOutLandmark(
                landmark,
                len(y),
                int(y.sum()),
                bootstrap_interval(y, p, patients, np.random.default_rng(0)),
                bootstrap_difference(y, p, rate, patients, np.random.default_rng(0))["log_loss"],
                subgroup_table(
                    y, p, patients, subgroup_variables(cohort, np.arange(len(cohort))), np.random.default_rng(0)
                ),
                paired_differences(*drawn) if len(drawn) > 1 else None,
            )
        )
    if not found:
        raise CohortError(
            "Expected courses with the score of a landmark and a known outcome, on a scale of the models; found none "
            "in the hold-out."
        )
    return found


def predicted(model: ResponseModel, cohort: Cohort, landmark: str) -> pd.DataFrame | None:
    """Return `label, probability` by course id, in the cohort's order; None where there is no course."""
    rows = training_rows(cohort, landmark, model.bundle.outcome)
    if not len(rows):
        return None
    keep = np.zeros(len(cohort), dtype=bool)
    keep[rows] = True
    chosen = cohort.subset(keep)
    labels = pd.Series(outcome_labels(chosen, model.bundle.outcome), index=chosen.table["course_id"].to_numpy())
    scored = model.score(chosen, landmark).table
    table = pd.DataFrame({"probability": scored["probability"].to_numpy(float)}, index=scored["course_id"].to_numpy())
    return table.assign(label=labels.loc[table.index])


def _all_extras(models: Sequence[ResponseModel]) -> tuple[Column, ...]:
    known: dict[str, Column] = {}
    for model in models:
        for column in model.bundle.extras:
            if known.setdefault(column.name, column) != column:
                raise ModelError(
                    f"Expected one declaration of the covariate {column.name}; version {model.version} has another "
                    f"than version {models[0].version}. They cannot be compared on one hold-out."
                )
    return tuple(known.values())
