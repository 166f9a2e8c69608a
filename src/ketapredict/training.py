"""The whole of `train`: from a cohort to a validated, tracked, registered response model."""

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import Outcome
from ketapredict.features.design import design_frame
from ketapredict.model.bundle import MODEL_FILE
from ketapredict.model.fit import training_data
from ketapredict.model.landmark_model import LandmarkModel
from ketapredict.progress import progress_bar
from ketapredict.report.model_facts import model_facts
from ketapredict.response_model import ResponseModel, fit_response_model
from ketapredict.tracking.runs import LoggedRun, RunRecord, log_run
from ketapredict.tracking.store import open_store
from ketapredict.validate.assessment import Assessment, assess
from ketapredict.validate.cross_validation import MODEL, N_FOLDS, LandmarkValidation, cross_validate
from ketapredict.validate.pictures import draw_calibration
from ketapredict.validate.replicates import RESAMPLES_FILE, draw_secret, replicates
from ketapredict.validate.tables import differences_table, measures_table
from ketapredict.whole_files import make_folder, write_table, write_whole

REPEATS = 10


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a training run made.

    Attributes
    ----------
    model : ResponseModel
    validations : tuple of LandmarkValidation
    assessments : tuple of Assessment
    refused : dict of str to str
        The reason for each landmark that could not be fitted.
    folder : Path
        Holds `model/` (the bundle), `report/` (tables and pictures) and, if rows were rejected, `rejects.csv`.
    run : LoggedRun
    """

    model: ResponseModel
    validations: tuple[LandmarkValidation, ...]
    assessments: tuple[Assessment, ...]
    refused: dict[str, str]
    folder: Path
    run: LoggedRun


def train(
    cohort: Cohort,
    *,
    outcome: Outcome = "response",
    seed: int = 0,
    all_arms: bool = False,
    repeats: int = REPEATS,
    output: str | Path | None = None,
    show_progress: bool = False,
) -> TrainingResult:
    """Cross-validate, fit, explain, write, log and register a response model.

    Parameters
    ----------
    cohort : Cohort
    outcome : {"response", "remission"}
    seed : int
        Not negative. The same cohort and seed give the same bundle, byte for byte.
    all_arms : bool
        Whether control courses are trained on as well; the arm then is a feature.
    repeats : int
        Repeats of the 5-fold cross-validation, at least 1.
    output : path or None
        Folder for the results; by default one named after protocol and outcome, in the current folder.
    show_progress : bool

    Returns
    -------
    TrainingResult

    Raises
    ------
    TrainingError
        If no landmark has enough courses.
    FileError
        If the folder cannot be written.
    """
    with open_store():
        pass  # an unusable store is better found before the work than after it
    model, refused = fit_response_model(cohort, outcome=outcome, seed=seed, all_arms=all_arms)
    folder = Path(output) if output is not None else Path(model.bundle.name)
    make_folder(folder)
    courses = cohort if all_arms else cohort.subset(cohort.active)
    validations: list[LandmarkValidation] = []
    assessments: list[Assessment] = []
    resamples: list[pd.DataFrame] = []
    secret = draw_secret(cohort)
    total = len(model.landmarks) * N_FOLDS * repeats
    with progress_bar("cross-validation", total, shown=show_progress) as progress:
        for position, landmark in enumerate(model.landmarks):
            data = training_data(courses, landmark, outcome, with_arm=all_arms)
            rng = np.random.default_rng([seed, position, 1])
            validations.append(cross_validate(data, landmark, repeats, rng, progress))
            assessments.append(assess(courses, data, validations[-1], outcome, rng, with_arm=all_arms))
            out_of_fold = validations[-1].predictions[MODEL]
            resamples.append(replicates(data.labels, out_of_fold, data.patients, landmark, secret, outcome))
    parameters: dict[str, str | int | float] = {
        "protocol": cohort.protocol.name,
        "outcome": outcome,
        "seed": seed,
        "arms": "all" if all_arms else "active",
        "repeats": repeats,
        "landmarks": ", ".join(model.landmarks),
        "accepted_courses": len(cohort),
        "rejected_courses": cohort.counts.rejected,
    }
    # The report is made in a folder of its own, so that nothing but this run's files is logged.
    report = Path(tempfile.mkdtemp(prefix=".report.", dir=folder))
    try:
        _write_report(report, model, tuple(validations), assessments, courses)
        write_table(pd.concat(resamples, ignore_index=True), report / RESAMPLES_FILE)
        record = RunRecord(parameters, _metrics(validations), {"data_sha256": cohort.sha256}, report)
        run = log_run(model, record)
        model.save(folder / "model")
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
    return TrainingResult(model, tuple(validations), tuple(assessments), refused, folder, run)


def concept_importance(model: LandmarkModel, cohort: Cohort, outcome: Outcome) -> pd.DataFrame:
    """Return the mean absolute contribution of each concept over the courses of a landmark.

    Returns
    -------
    pandas.DataFrame
        `landmark, concept, mean_absolute_log_odds`, largest first.
    """
    from ketapredict.explain.contributions import contributions

    with_score = np.ones(len(cohort), dtype=bool)
    if model.landmark != "pre":
        with_score = cohort.table[f"score_{model.landmark}"].notna().to_numpy()
    courses = cohort.subset(with_score)
    found = contributions(model, design_frame(courses, model.features, outcome))
    sizes = np.abs(found.by_concept).mean(axis=0)
    table = pd.DataFrame({"landmark": model.landmark, "concept": found.concepts, "mean_absolute_log_odds": sizes})
    return table.sort_values("mean_absolute_log_odds", ascending=False, kind="stable", ignore_index=True)


def _write_report(
    report: Path,
    model: ResponseModel,
    validations: tuple[LandmarkValidation, ...],
    assessments: list[Assessment],
    cohort: Cohort,
) -> None:
    bundle = model.bundle

    def write(table: pd.DataFrame, name: str) -> None:
        table.assign(trained_on=bundle.trained_on).to_csv(report / name, index=False)

    write(measures_table(validations), "measures.csv")
    write(differences_table(validations), "differences.csv")
    importance = [concept_importance(landmark, cohort, bundle.outcome) for landmark in bundle.landmarks]
    write(pd.concat(importance), "concepts.csv")
    for name in dict.fromkeys(name for assessment in assessments for name in assessment.tables):
        parts = [assessment.tables[name] for assessment in assessments if name in assessment.tables]
        write(pd.concat(parts), f"{name.replace('_', '-')}.csv")
    coefficients = [
        {"landmark": landmark.landmark, "column": column.name, "concept": column.concept}
        | {"mean": column.mean, "coefficient": coefficient}
        for landmark in bundle.landmarks
        for column, coefficient in zip(landmark.columns, landmark.coefficients, strict=True)
    ]
    write(pd.DataFrame(coefficients), "coefficients.csv")
    (report / "model.md").write_text(model_facts(model), "utf-8")
    for validation in validations:
        draw_calibration(validation, bundle.statement, report / f"calibration-{validation.landmark}.svg")
    facts = {
        "statement": bundle.statement,
        "name": bundle.name,
        "model_sha256": model.sha256,
        "bundle": f"../model/{MODEL_FILE}",
        "provenance": bundle.provenance,
        "cross_validation": {
            v.landmark: {"folds": v.n_folds, "repeats": v.n_repeats, "members_used": v.members_used}
            for v in validations
        },
        "counts": asdict(cohort.counts),
        "statements": [statement for assessment in assessments for statement in assessment.statements],
    }
    (report / "training.json").write_text(json.dumps(facts, indent=1) + "\n", "utf-8")


def _metrics(validations: list[LandmarkValidation]) -> dict[str, float]:
    metrics = {}
    for validation in validations:
        for name, interval in validation.measures[MODEL].items():
            metrics[f"{validation.landmark}/{name}"] = interval.estimate
            metrics[f"{validation.landmark}/{name}_low"] = interval.low
            metrics[f"{validation.landmark}/{name}_high"] = interval.high
        for comparator, differences in validation.differences.items():
            key = comparator.replace(" ", "_").replace("%", "_percent")
            metrics[f"{validation.landmark}/log_loss_minus_{key}"] = differences["log_loss"].estimate
        metrics[f"{validation.landmark}/courses"] = float(validation.courses)
        metrics[f"{validation.landmark}/events"] = float(validation.events)
    return metrics
