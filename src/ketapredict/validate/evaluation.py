"""A fitted model on courses that it was not trained on: measures with intervals, beside what it has to beat."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import outcome_labels
from ketapredict.cohort.protocols import PRE, Protocol
from ketapredict.errors import CohortError, ProtocolError
from ketapredict.model.bundle import data_hashes
from ketapredict.response_model import ResponseModel
from ketapredict.validate.comparators import meets_rule
from ketapredict.validate.cross_validation import MODEL
from ketapredict.validate.intervals import Interval, bootstrap_interval
from ketapredict.validate.small_samples import auc_interval, ratio_interval
from ketapredict.validate.tables import OBSERVED_OVER_EXPECTED

# Percentile intervals of an AUC need events to resample; under this the score interval takes over.
FEWEST_EVENTS_FOR_BOOTSTRAP = 10
# Under this no figure is worth printing.
FEWEST_COURSES = 10
TRAINING_RATE = "training rate"
# Improved by at least 20%: yes or no, taken at its word, so that it is wrong or right.
RULE_ALONE = "20% rule, yes or no"
_GIVEN = {TRAINING_RATE: ("log_loss", "brier", OBSERVED_OVER_EXPECTED), RULE_ALONE: ("auc", "brier")}


OWN_COURSES = (
    "THESE ARE THE COURSES THAT THE MODEL WAS MADE WITH: its figures on them are too good and say nothing of new "
    "patients; the model card has those that do"
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Performance of a model on a cohort.

    Attributes
    ----------
    table : pandas.DataFrame
        `landmark, predictor, courses, events, measure, estimate, low, high`: one row per landmark,
        predictor (the model, the training rate, after early scores the rule of 20%) and measure.
    notes : tuple of str
        Landmarks without enough courses, measures that cannot be given, courses left out.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]


def evaluate(model: ResponseModel, cohort: Cohort, *, seed: int = 0) -> Evaluation:
    """Evaluate a model at each of its landmarks on the courses of a cohort whose outcome is known.

    Control courses are left out unless the model was trained on all arms.

    Parameters
    ----------
    model : ResponseModel
    cohort : Cohort
    seed : int
        For the bootstrap.

    Raises
    ------
    ProtocolError
        If the cohort's outcome is at another time than the model's.
    CohortError
        If no landmark has a course with an outcome.
    """
    refuse_other_outcome(model, cohort.protocol)
    courses = cohort if model.bundle.with_arm else cohort.subset(cohort.active)
    notes = [f"{len(cohort) - len(courses)} control courses left out"] if len(courses) < len(cohort) else []
    labels = outcome_labels(courses, model.bundle.outcome)
    known = ~np.isnan(labels)
    if cohort.sha256 in data_hashes(model.bundle.provenance):
        notes.insert(0, OWN_COURSES)
    notes += [f"{int((~known).sum())} courses without a known outcome left out"] if not known.all() else []
    records: list[tuple[object, ...]] = []
    for landmark_model in model.bundle.landmarks:
        landmark = landmark_model.landmark
        keep = known.copy()
        if landmark != PRE:
            keep &= courses.table[f"score_{landmark}"].notna().to_numpy()
        met = courses.subset(keep)
        scored = model.score(met, landmark).table if keep.any() else pd.DataFrame()
        if not len(scored):
            notes.append(f"{landmark}: no course with its score and the outcome")
            continue
        if len(scored) < FEWEST_COURSES:
            notes.append(f"{landmark}: {len(scored)} courses with its score and the outcome are too few to measure")
            continue
        chosen = met.table["course_id"].isin(scored["course_id"]).to_numpy()
        y, patients = labels[keep][chosen], met.patients[chosen]
        predictors = {
            MODEL: scored["probability"].to_numpy(float),
            TRAINING_RATE: np.full(len(y), landmark_model.latest_rate),
        }
        if landmark != PRE:
            table = met.table[chosen]
            improvement = 1.0 - table[f"score_{landmark}"].to_numpy(float) / table["score_baseline"].to_numpy(float)
            predictors[RULE_ALONE] = meets_rule(improvement).astype(float)
        for name, p in predictors.items():
            for measure, interval in _measures(y, p, patients, seed).items():
                if measure not in _GIVEN.get(name, (measure,)):
                    continue
                if np.isnan(interval.estimate):
                    notes.append(f"{landmark}: {measure} not given, {int(y.sum())} events of {len(y)} are too few")
                    continue
                values = (interval.estimate, interval.low, interval.high)
                records.append((landmark, name, len(y), int(y.sum()), measure, *values))
    if not records:
        raise CohortError(
            "Expected at least 10 courses with the score of a landmark and a known outcome; found fewer. "
            + "; ".join(notes)
            + "."
        )
    columns = ["landmark", "predictor", "courses", "events", "measure", "estimate", "low", "high"]
    return Evaluation(pd.DataFrame(records, columns=columns), tuple(notes))


def refuse_other_outcome(model: ResponseModel, theirs: Protocol) -> None:
    """Refuse the protocol of a cohort whose outcome is judged at another time than the model's.

    Raises
    ------
    ProtocolError
        With both times.
    """
    ours = model.bundle.protocol
    expected, found = ours.time_point(ours.outcome).hours, theirs.time_point(theirs.outcome).hours
    if expected != found:
        raise ProtocolError(
            f"The model predicts the outcome at {ours.outcome} ({expected:g} h); the cohort's protocol "
            f"{theirs.name} judges it at {theirs.outcome} ({found:g} h). Evaluate on a cohort with the same outcome."
        )


def _measures(y: np.ndarray, p: np.ndarray, patients: np.ndarray, seed: int) -> dict[str, Interval]:
    found = bootstrap_interval(y, p, patients, np.random.default_rng(seed))
    events = int(min(y.sum(), len(y) - y.sum()))
    if 0 < events < FEWEST_EVENTS_FOR_BOOTSTRAP:
        low, high = auc_interval(found["auc"].estimate, int(y.sum()), int(len(y) - y.sum()))
        found["auc"] = Interval(found["auc"].estimate, low, high, 0, 0)
    ratio = float(y.sum() / p.sum())
    low, high = ratio_interval(int(y.sum()), len(y), float(p.sum()))
    return found | {OBSERVED_OVER_EXPECTED: Interval(ratio, low, high, 0, 0)}
