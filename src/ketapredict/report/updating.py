"""The report of an updating run as files: tables, pictures, the model's facts, what was chosen and why."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ketapredict.cohort.cohort import Cohort
from ketapredict.model.bundle import MODEL_FILE
from ketapredict.report.figures.calibration import calibration_figure
from ketapredict.report.model_facts import model_facts
from ketapredict.report.specification import coefficient_table, tree_table
from ketapredict.response_model import ResponseModel
from ketapredict.validate.calibration_curve import calibration_curve
from ketapredict.validate.cross_validation import MODEL
from ketapredict.validate.tables import differences_table, measures_table
from ketapredict.validate.updating import UpdateValidation, updating_table


def write_updating_report(
    folder: Path,
    model: ResponseModel,
    validations: Sequence[UpdateValidation],
    statements: Sequence[str],
    cohort: Cohort,
) -> None:
    """Write every table as CSV, the calibration as SVG, `training.json` and `model.md`.

    Nothing that is written holds a row of a patient.

    Parameters
    ----------
    folder : Path
        Exists.
    model : ResponseModel
        As updated.
    validations : sequence of UpdateValidation
        Of each landmark that had enough courses.
    statements : sequence of str
    cohort : Cohort
        What it was updated with.
    """
    bundle = model.bundle

    def write(table: pd.DataFrame, name: str) -> None:
        table.assign(trained_on=bundle.trained_on).to_csv(folder / f"{name}.csv", index=False)

    write(updating_table(validations), "updating")
    write(measures_table(one.validation for one in validations), "measures")
    write(differences_table(one.validation for one in validations), "differences")
    write(coefficient_table(bundle.landmarks), "coefficients")
    write(tree_table(bundle.landmarks), "trees")
    (folder / "model.md").write_text(model_facts(model), "utf-8")
    for position, one in enumerate(validations):
        found = one.validation
        rng = np.random.default_rng([int(bundle.provenance["seed"]), position, 2])
        curve = calibration_curve(found.labels, found.predictions[MODEL], one.patients, rng)
        table = None if curve is None else curve.curve
        svg = calibration_figure(bundle.statement, found.landmark, found.labels, found.predictions[MODEL], table)
        (folder / f"calibration-{found.landmark}.svg").write_text(svg, "utf-8")
    facts = {
        "statement": bundle.statement,
        "name": bundle.name,
        "model_sha256": model.sha256,
        "bundle": f"../model/{MODEL_FILE}",
        "provenance": bundle.provenance,
        "updates": {one.validation.landmark: _chosen(one) for one in validations},
        "counts": asdict(cohort.counts),
        "statements": list(statements),
    }
    (folder / "training.json").write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", "utf-8")


def _chosen(found: UpdateValidation) -> dict[str, Any]:
    update, validation = found.choice.update, found.validation
    return {
        "method": update.method,
        "intercept": update.intercept,
        "slope": update.slope,
        "spread": update.spread,
        "penalty": update.penalty,
        "log_loss_above_best": {
            method: {"difference": above, "standard_error": error}
            for method, (above, error) in found.choice.above_best.items()
        },
        "cross_validation": {
            "folds": validation.n_folds,
            "repeats": validation.n_repeats,
            "share_chosen": validation.members_used,
        },
    }
