"""A table in memory in, one scored row for each of its rows out: what a served model does."""

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import MISSING_MARKERS
from ketapredict.cohort.cohort import Cohort, Counts
from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.cohort.protocols import Protocol
from ketapredict.cohort.rejects import RejectLog
from ketapredict.cohort.reshape import RawCourses
from ketapredict.cohort.validation import refuse_unknown_columns, validate
from ketapredict.response_model import ResponseModel

CONSTANT_COLUMNS = ("outcome", "trained_on", "model_name", "model_version")


def score_rows(model: ResponseModel, frame: pd.DataFrame, landmark: str | None = None) -> pd.DataFrame:
    """Score every row of a table in the form of the cohort table.

    Parameters
    ----------
    model : ResponseModel
    frame : pandas.DataFrame
        n rows; its columns are those of the cohort table, the model's extra covariates included.
    landmark : str or None
        None takes each course's latest.

    Returns
    -------
    pandas.DataFrame
        (n, ...) in the order of the rows, columns as in `Scored.table`. A row that breaks a rule or cannot
        be predicted has no probability; `notes` names the columns and rules, never a value. `in_scope` is
        True, False or None.

    Raises
    ------
    CohortError
        If columns are unknown, or required ones absent.
    ModelError
        If the model has no such landmark.
    """
    cohort = cohort_from_frame(frame, model.bundle.protocol, model.bundle.extras)
    scored = model.score(cohort, landmark)
    n_rows = len(frame)
    refused = cohort.table["course_id"].isin(set(scored.refused["course_id"])).to_numpy()
    table = scored.table.set_index(cohort.rows[~refused] - 1).reindex(range(n_rows))
    reasons = pd.concat([cohort.rejects, scored.refused])
    texts = reasons["column"].fillna("") + ": expected " + reasons["expected"] + " (" + reasons["rule"] + ")"
    notes = texts.groupby(reasons["row"].to_numpy() - 1).agg("; ".join)
    table["notes"] = table["notes"].astype(object)
    table.loc[notes.index, "notes"] = "not scored: " + notes.str.removeprefix(": ")
    ids = frame["course_id"].astype(object).reset_index(drop=True)
    table["course_id"] = ids.where(ids.notna(), None)
    table["landmark"] = table["landmark"].astype(object).where(table["landmark"].notna(), None)
    for name, value in _constants(model).items():
        table[name] = value
    numbers = [name for name in table if name.startswith(("shap_", "p_")) or name in ("probability", "base_logit")]
    table[numbers] = table[numbers].astype(float)
    in_scope = table["in_scope"].astype(object)
    table["in_scope"] = in_scope.where(in_scope.notna(), None)
    return table.rename_axis(index=None)


def cohort_from_frame(frame: pd.DataFrame, protocol: Protocol, extras: tuple[Column, ...] = ()) -> Cohort:
    """Validate a table in the form of the cohort table, by the rules of every other way in.

    Rows are numbered from 1. Text that marks a missing cell in a file marks one here.

    Raises
    ------
    CohortError
        If columns are unknown, or required ones absent.
    """
    refuse_unknown_columns([str(name) for name in frame.columns], declared_columns(protocol, extras), "The table")
    n_rows = len(frame)
    cells = frame.reset_index(drop=True)
    texts = cells.select_dtypes(["object", "str"]).columns
    cells[texts] = cells[texts].mask(cells[texts].isin(MISSING_MARKERS))
    raw = RawCourses(cells, np.arange(1, n_rows + 1), RejectLog(), used=n_rows)
    table, notices = validate(raw, protocol, extras)
    broken = raw.log.broken(n_rows)
    counts = Counts(n_rows, n_rows, 0, 0, n_rows, int((~broken).sum()), int(broken.sum()))
    return Cohort(
        table[~broken].reset_index(drop=True),
        raw.rows[~broken],
        protocol,
        extras,
        raw.log.frame(table["course_id"]),
        counts,
        tuple(notices),
    )


def _constants(model: ResponseModel) -> dict[str, str]:
    bundle = model.bundle
    values = (bundle.outcome, bundle.trained_on, bundle.name, model.version)
    return dict(zip(CONSTANT_COLUMNS, values, strict=True))
