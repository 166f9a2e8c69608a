"""A registered version's own figures, from the files that its run logged."""

import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ketapredict.errors import ModelError
from ketapredict.response_model import ResponseModel
from ketapredict.tracking.evidence import CROSS_VALIDATION, Comparison, Figures, Source, Span, Subgroup
from ketapredict.tracking.runs import SHA256_TAG
from ketapredict.validate.coupling import SUSPICION
from ketapredict.validate.cross_validation import MODEL, PREVALENCE
from ketapredict.validate.intervals import Interval
from ketapredict.validate.replicates import (
    INTERCEPT,
    LOG_LOSS,
    NET_BENEFIT,
    RESAMPLES_FILE,
    SLOPE,
    SLOPE_DISTANCE,
    paired_differences,
    same_draws,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

CARDS = ("model-card.html", "model-card.md")
TRAINING_FILE, MEASURES_FILE, DIFFERENCES_FILE = "training.json", "measures.csv", "differences.csv"
SUBGROUPS_FILE = "subgroups.csv"
_FILES = (*CARDS, TRAINING_FILE, MEASURES_FILE, DIFFERENCES_FILE, SUBGROUPS_FILE, RESAMPLES_FILE)


@dataclass(frozen=True, slots=True)
class RunFigures:
    """What the run of a version says about it.

    Attributes
    ----------
    figures : tuple of Figures
        Of the cross-validation.
    subgroups : tuple of Subgroup or None
        None without a table.
    card : tuple of str
        What is wrong with the model card.
    suspicions : tuple of str or None
        Sentences about suspected leakage; None where the run has no list of warnings.
    resamples : dict of str to pandas.DataFrame
        By landmark, from `replicates`.
    """

    figures: tuple[Figures, ...]
    subgroups: tuple[Subgroup, ...] | None
    card: tuple[str, ...]
    suspicions: tuple[str, ...] | None
    resamples: dict[str, pd.DataFrame]


def fetch_run_figures(client: "MlflowClient", name: str, model: ResponseModel) -> RunFigures:
    """Fetch and read the files of the run that made a version.

    Parameters
    ----------
    client : MlflowClient
    name : str
        Of the registered model.
    model : ResponseModel
        The version, as loaded from the registry.

    Raises
    ------
    ModelError
        If the version has no run, or bundle, version and run are not of one model.
    """
    import mlflow.artifacts

    version = client.get_model_version(name, model.version)
    if not version.run_id:
        raise ModelError(f"Expected version {model.version} of {name} to have a run; found none. Train it again.")
    if version.tags.get(SHA256_TAG) != model.sha256:
        raise ModelError(
            f"Expected the bundle that was registered as version {model.version} of {name}; its SHA-256 is another. "
            "Its files were changed: train it again."
        )
    there = {entry.path for entry in client.list_artifacts(version.run_id)}
    with tempfile.TemporaryDirectory() as folder:
        for file in there.intersection(_FILES):
            mlflow.artifacts.download_artifacts(run_id=version.run_id, artifact_path=file, dst_path=folder)
        return read_run_figures(Path(folder), model)


def read_run_figures(folder: Path, model: ResponseModel) -> RunFigures:
    """Read a report folder; what is absent is said to be absent.

    Raises
    ------
    ModelError
        If the report is of another model, or cannot be read.
    """
    try:
        training = json.loads((folder / TRAINING_FILE).read_text("utf-8")) if (folder / TRAINING_FILE).exists() else {}
        if training and training.get("model_sha256") != model.sha256:
            raise ModelError(
                f"Expected the run of version {model.version} to report on this model; {TRAINING_FILE} names another "
                "SHA-256. Train it again."
            )
        return RunFigures(
            tuple(_figures(_table(folder, MEASURES_FILE), _table(folder, DIFFERENCES_FILE), model.landmarks)),
            None if (table := _table(folder, SUBGROUPS_FILE)) is None else subgroups_of(table, CROSS_VALIDATION),
            tuple(_card_faults(folder, model.sha256)),
            _suspicions(training),
            _resamples(folder),
        )
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ModelError(
            f"The report in the run of version {model.version} cannot be read ({type(error).__name__}). Train it again."
        ) from None


def comparisons(first: RunFigures, second: RunFigures, landmarks: Iterable[str]) -> tuple[Comparison, ...] | None:
    """Compare two versions on the resamples that they share.

    Returns
    -------
    tuple of Comparison or None
        One for each landmark; None where the runs are not on the same courses.
    """
    found = []
    for landmark in landmarks:
        ours, theirs = first.resamples.get(landmark), second.resamples.get(landmark)
        if ours is None or theirs is None or not same_draws(ours, theirs):
            return None
        found.append(comparison_of(CROSS_VALIDATION, landmark, paired_differences(ours, theirs)))
    return tuple(found)


def comparison_of(source: Source, landmark: str, differences: dict[str, Interval]) -> Comparison:
    """Return paired differences as the gate reads them."""
    net_benefit = {threshold: span_of(differences[name]) for threshold, name in NET_BENEFIT.items()}
    return Comparison(
        source, landmark, span_of(differences[LOG_LOSS]), span_of(differences[SLOPE_DISTANCE]), net_benefit
    )


def span_of(interval: Interval) -> Span:
    """Return an interval as the gate reads it."""
    return Span(float(interval.estimate), float(interval.low), float(interval.high))


def subgroups_of(table: pd.DataFrame, source: Source, landmark: str = "") -> tuple[Subgroup, ...]:
    """Return the calibration-in-the-large of every subgroup.

    Parameters
    ----------
    table : pandas.DataFrame
        From `subgroup_table`, with a column `landmark` unless it is given.
    source : {"cross-validation", "hold-out"}
    landmark : str
    """
    rows = table[table["measure"] == INTERCEPT]
    return tuple(
        Subgroup(
            source,
            landmark or str(row["landmark"]),
            str(row["variable"]),
            str(row["level"]),
            Span(float(row["estimate"]), float(row["low"]), float(row["high"])),
            str(row["certainly_miscalibrated"]) == "True",
        )
        for row in rows.to_dict("records")
    )


def _figures(
    measures: pd.DataFrame | None, differences: pd.DataFrame | None, landmarks: Iterable[str]
) -> Iterable[Figures]:
    if measures is None or differences is None:
        return
    own = measures[measures["predictor"] == MODEL].set_index(["landmark", "measure"])
    gains = differences[(differences["comparator"] == PREVALENCE) & (differences["measure"] == LOG_LOSS)]
    gains = gains.set_index("landmark")
    for landmark in landmarks:
        if (landmark, LOG_LOSS) not in own.index:
            continue
        sizes = own.loc[(landmark, LOG_LOSS)]
        yield Figures(
            CROSS_VALIDATION,
            landmark,
            int(sizes["courses"]),
            int(sizes["events"]),
            _span(own, (landmark, SLOPE), "estimate"),
            _span(own, (landmark, INTERCEPT), "estimate"),
            _span(gains, landmark, "difference"),
        )


def _span(table: pd.DataFrame, key: Any, estimate: str) -> Span:
    if key not in table.index:
        return Span()
    row = table.loc[key]
    return Span(*(float(np.float64(row[name])) for name in (estimate, "low", "high")))


def _table(folder: Path, name: str) -> pd.DataFrame | None:
    path = folder / name
    if not path.exists():
        return None
    # A level may be called "None" or "NA": only numbers can be missing here.
    table = pd.read_csv(path, keep_default_na=False)
    numbers = [column for column in ("estimate", "difference", "low", "high") if column in table]
    table[numbers] = table[numbers].apply(pd.to_numeric, errors="coerce")
    return table


def _card_faults(folder: Path, sha256: str) -> Iterable[str]:
    for name in CARDS:
        path = folder / name
        if not path.exists():
            yield f"{name} is absent"
        elif sha256 not in path.read_text("utf-8"):
            yield f"{name} does not name this model's SHA-256"


def _suspicions(training: dict[str, Any]) -> tuple[str, ...] | None:
    warnings = training.get("warnings")
    if not isinstance(warnings, list):
        return None
    return tuple(str(warning) for warning in warnings if SUSPICION in str(warning))


def _resamples(folder: Path) -> dict[str, pd.DataFrame]:
    path = folder / RESAMPLES_FILE
    if not path.exists():
        return {}
    table = pd.read_parquet(path)
    return {str(landmark): rows.reset_index(drop=True) for landmark, rows in table.groupby("landmark", sort=False)}
