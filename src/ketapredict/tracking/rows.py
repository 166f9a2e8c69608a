"""A table in memory in, one scored row for each of its rows out: what a served model does."""

import pandas as pd

from ketapredict.cohort.read import cohort_from_frame
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


def _constants(model: ResponseModel) -> dict[str, str]:
    bundle = model.bundle
    values = (bundle.outcome, bundle.trained_on, bundle.name, model.version)
    return dict(zip(CONSTANT_COLUMNS, values, strict=True))
