"""What the out-of-fold predictions of one landmark show, beyond the measures: no refits, only reckoning."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logit

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import Outcome
from ketapredict.features.plan import plan_design
from ketapredict.model.members import TrainingData
from ketapredict.model.training_rows import training_rows
from ketapredict.validate.calibration_curve import calibration_curve
from ketapredict.validate.comparators import meets_rule
from ketapredict.validate.coupling import SUSPICION, coupling_null, leakage_suspicion
from ketapredict.validate.cross_validation import MODEL, LandmarkValidation
from ketapredict.validate.decision_curve import decision_curve
from ketapredict.validate.missing_outcomes import missing_outcomes, weighted_measures
from ketapredict.validate.sample_size import courses_are_enough, sample_size_statement
from ketapredict.validate.small_groups import FEWEST_SHOWN, without_small_characteristics, without_small_subgroups
from ketapredict.validate.subgroups import subgroup_table, subgroup_variables
from ketapredict.validate.thresholds import threshold_table
from ketapredict.validate.verdicts import calibration_verdicts, skill_verdicts

# Riley's criteria ask for a c-statistic over 0.5; just above it the number asked for has no end.
LEAST_DISCRIMINATION, MOST_DISCRIMINATION = 0.55, 1.0 - 1e-9
# What is credible before treatment (DESIGN: 0.60 to 0.65).
PLANNED_DISCRIMINATION = 0.60


@dataclass(frozen=True, slots=True)
class Assessment:
    """Tables and sentences about one landmark.

    Attributes
    ----------
    tables : dict of str to pandas.DataFrame
        `calibration_curve`, `calibration_distances`, `thresholds`, `decision_curve`, `subgroups`,
        `missing_outcomes`, `weighted_measures`, `coupling`; each with a first column `landmark`.
    statements : tuple of str
        Whether the courses are enough, and how many have no outcome.
    warnings : tuple of str
        Figures that are too good to be true, that show no skill, or that are certainly miscalibrated.
    enough : bool
        Whether there are as many courses as Riley's criteria ask for.
    """

    tables: dict[str, pd.DataFrame]
    statements: tuple[str, ...]
    warnings: tuple[str, ...]
    enough: bool


def assess(
    cohort: Cohort,
    data: TrainingData,
    validation: LandmarkValidation,
    outcome: Outcome,
    rng: np.random.Generator,
    *,
    with_arm: bool = False,
) -> Assessment:
    """Assess the out-of-fold predictions of one landmark.

    Parameters
    ----------
    cohort : Cohort
        The courses that were trained on, before any landmark's selection.
    data : TrainingData
        Of the landmark.
    validation : LandmarkValidation
        From `cross_validate` on the same data.
    outcome : {"response", "remission"}
    rng : numpy.random.Generator
    with_arm : bool

    Returns
    -------
    Assessment
    """
    landmark = validation.landmark
    y, p, patients = data.labels, validation.predictions[MODEL], data.patients
    rows = training_rows(cohort, landmark, outcome)
    early = [f.name for f in data.features if f.rule == "early_improvement" and f.known_at == landmark]
    improvement = data.frame[early[0]].to_numpy() if early else None
    tables = {
        "thresholds": threshold_table(y, p, patients, rng),
        "decision_curve": decision_curve(y, p, patients, rng, None if improvement is None else meets_rule(improvement)),
        "subgroups": subgroup_table(y, p, patients, subgroup_variables(cohort, rows), rng),
    }
    curve = calibration_curve(y, p, patients, rng)
    if curve is not None:
        tables["calibration_curve"] = curve.curve
        tables["calibration_distances"] = pd.DataFrame(
            [(name, d.estimate, d.low, d.high, *curve.if_calibrated[name]) for name, d in curve.distances.items()],
            columns=["distance", "estimate", "low", "high", "median_if_calibrated", "p95_if_calibrated"],
        )
    missing = missing_outcomes(cohort, landmark, outcome, with_arm=with_arm)
    if min(missing.missing, missing.courses - missing.missing) >= FEWEST_SHOWN:
        tables["missing_outcomes"] = without_small_characteristics(missing.table)
        tables["weighted_measures"] = weighted_measures(
            y, p, missing.weights, patients, validation.measures[MODEL], rng
        )
    # Of one repeat: means over repeats would be an ensemble's.
    scores = {"model": logit(np.clip(p[0], 1e-12, 1 - 1e-12))}
    if improvement is not None:
        scores["early improvement"] = improvement
    tables["coupling"] = pd.DataFrame(
        [
            (name, measure, null.observed, null.null, null.null_low, null.null_high, null.p_value)
            for name, score in scores.items()
            for measure, null in coupling_null(data, score, rng).items()
        ],
        columns=["score", "measure", "observed", "null", "null_low", "null_high", "p_value"],
    )
    auc = validation.measures[MODEL]["auc"].estimate
    plan = plan_design(data.frame, data.features)
    parameters = len(plan.values) + len(plan.missing)
    size = ""
    planned = auc
    if auc <= LEAST_DISCRIMINATION:
        size, planned = (
            f"the AUC found, {auc:.2f}, is too near to 0.5 to plan by; by a better one: ",
            PLANNED_DISCRIMINATION,
        )
    plan_by = (len(y), parameters, float(y.mean()), min(planned, MOST_DISCRIMINATION))
    size += sample_size_statement(*plan_by)
    statements = (
        f"{landmark}: {size}",
        f"{landmark}: {missing.statement}",
    )
    warnings = (
        *(
            f"{landmark}: {SUSPICION} {found}"
            for found in leakage_suspicion(data, landmark, cohort.protocol, validation.measures[MODEL]["auc"])
        ),
        *skill_verdicts(validation),
        *calibration_verdicts(landmark, validation.measures[MODEL].get("calibration_slope"), tables["subgroups"]),
    )
    tables["subgroups"] = without_small_subgroups(tables["subgroups"])
    for table in tables.values():
        table.insert(0, "landmark", landmark)
    return Assessment(tables, statements, warnings, courses_are_enough(*plan_by))
