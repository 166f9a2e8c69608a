"""What training and updating end with: report, MLflow run, registered version, bundle and rejects."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from ketapredict.cohort.cohort import Cohort
from ketapredict.report.card.facts import CardFacts
from ketapredict.report.folder import write_report
from ketapredict.response_model import ResponseModel
from ketapredict.tracking.courses_met import remember_courses
from ketapredict.tracking.runs import LoggedRun, RunRecord, log_run
from ketapredict.tracking.store import open_store
from ketapredict.validate.cross_validation import MODEL
from ketapredict.validate.study import LandmarkStudy
from ketapredict.validate.verdicts import skill_verdicts
from ketapredict.whole_files import write_whole

Parameters = dict[str, str | int | float]


def release(
    facts: CardFacts,
    cohort: Cohort,
    folder: Path,
    parameters: Parameters,
    tags: dict[str, str],
    timed: Callable[[str], AbstractContextManager[None]],
) -> LoggedRun:
    """Write the report, log the run, register the model, save the bundle.

    Parameters
    ----------
    facts : CardFacts
    cohort : Cohort
        As it was read, before any selection: for its counts and rejects.
    folder : Path
        Exists; afterwards holds `model/`, `report/` and, if rows were rejected, `rejects.csv`.
    parameters, tags : dict
        Of the run.
    timed : callable
        Gives a context that measures what is done in it, under a name.
    """
    counted: Parameters = {"accepted_courses": len(cohort), "rejected_courses": cohort.counts.rejected}
    # The report is made in a folder of its own, so that nothing but this run's files is logged.
    report = Path(tempfile.mkdtemp(prefix=".report.", dir=folder))
    try:
        with timed("card and tables"):
            write_report(report, facts)
        record = RunRecord(parameters | counted, _metrics(facts.studies), {"data_sha256": cohort.sha256} | tags, report)
        with timed("MLflow"):
            run = log_run(facts.model, record)
            with open_store() as store:
                remember_courses(store.folder, cohort.sha256, facts.cohort)
        facts.model.save(folder / "model")
        report.chmod(0o755)
        shutil.rmtree(folder / "report", ignore_errors=True)
        report.replace(folder / "report")
    finally:
        shutil.rmtree(report, ignore_errors=True)
    rejects = folder / "rejects.csv"
    if len(cohort.rejects):
        write_whole({rejects: lambda target: cohort.rejects.to_csv(target, index=False)})
    else:
        rejects.unlink(missing_ok=True)
    return run


def with_verdicts(model: ResponseModel, studies: Sequence[LandmarkStudy]) -> ResponseModel:
    """Put into the model itself what its cross-validation did not show: whoever holds it holds its limits.

    Parameters
    ----------
    model : ResponseModel
    studies : sequence of LandmarkStudy
        Landmarks without one have not been judged, and hold no verdict.
    """
    verdicts = {study.landmark: list(skill_verdicts(study.validation)) for study in studies}
    return ResponseModel(replace(model.bundle, provenance=model.bundle.provenance | {"verdicts": verdicts}))


def _metrics(studies: tuple[LandmarkStudy, ...]) -> dict[str, float]:
    metrics = {}
    for study in studies:
        validation, at = study.validation, study.landmark
        for name, interval in validation.measures[MODEL].items():
            metrics[f"{at}/{name}"] = interval.estimate
            metrics[f"{at}/{name}_low"] = interval.low
            metrics[f"{at}/{name}_high"] = interval.high
        for comparator, differences in validation.differences.items():
            key = comparator.replace(" ", "_").replace("%", "_percent")
            metrics[f"{at}/log_loss_minus_{key}"] = differences["log_loss"].estimate
        if study.instability is not None:
            metrics[f"{at}/instability_mape"] = study.instability.mape
        metrics[f"{at}/courses"] = float(validation.courses)
        metrics[f"{at}/events"] = float(validation.events)
        metrics[f"{at}/warnings"] = float(len(study.warnings))
    return metrics
