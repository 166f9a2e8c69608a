"""Cross-validation of updating as a whole, the choice included, beside leaving the model as it is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import Outcome
from ketapredict.model.folds import repeated_folds
from ketapredict.model.members import TrainingData
from ketapredict.model.update_choice import Choice, choose_update
from ketapredict.model.updating import LEAVE_IT, Method, Site
from ketapredict.validate.assessment import assess
from ketapredict.validate.cross_validation import (
    MODEL,
    N_FOLDS,
    LandmarkValidation,
    measured_and_compared,
    simple_predictions,
)
from ketapredict.validate.resampling import out_of_fold
from ketapredict.validate.study import LandmarkStudy, resamples_of

PROCEDURE = "the choice, cross-validated"
# Chosen in a smaller share of the folds, a method owes its place to these very courses.
OFTEN_CHOSEN = 0.5


@dataclass(frozen=True, slots=True)
class UpdateValidation:
    """What updating is worth at one landmark, on courses that it has not seen.

    Attributes
    ----------
    validation : LandmarkValidation
        `model` is the whole procedure with its choice; the comparators are the candidates and the prevalence.
        `members_used` is the share of the fits in which each candidate was chosen.
    choice : Choice
        Made with all courses: what the updated model holds.
    patients : numpy.ndarray
        (n,) of the rows.
    """

    validation: LandmarkValidation
    choice: Choice
    patients: np.ndarray


def cross_validate_update(
    site: Site,
    data: TrainingData,
    landmark: str,
    choice: Choice,
    n_repeats: int,
    rng: np.random.Generator,
    progress: Callable[[int], None] = lambda _: None,
) -> UpdateValidation:
    """Cross-validate the updating of one landmark.

    In each fold the choice is made anew, by its own cross-validation within the training courses, among the
    candidates that all courses allowed; courses of one patient are never on both sides. The parent knows none of
    the courses: leaving it as it is needs no folds.

    Parameters
    ----------
    site : Site
    data : TrainingData
        The same courses, for the simpler predictions beside it.
    landmark : str
    choice : Choice
        Made with all courses.
    n_repeats : int
        Repeats of 5 folds.
    rng : numpy.random.Generator
    progress : callable
        Called with 1 after each fold.

    Returns
    -------
    UpdateValidation
    """
    from threadpoolctl import threadpool_limits

    folds = repeated_folds(site.labels, site.patients, N_FOLDS, n_repeats, rng)
    allowed = tuple(choice.candidates)
    log_odds: list[np.ndarray] = []
    by_method: dict[Method, list[np.ndarray]] = {method: [] for method in allowed}
    chosen = dict.fromkeys(allowed, 0)
    with threadpool_limits(1):
        for _, train, test in folds:
            found, held_out = choose_update(site.rows(train), allowed, rng), site.rows(test)
            chosen[found.update.method] += 1
            log_odds.append(found.update.log_odds(held_out))
            for method in allowed:
                # Where a class was down to one patient there was no choice but to leave it.
                candidate = found.candidates.get(method, found.update)
                by_method[method].append(expit(candidate.log_odds(held_out)))
            progress(1)
    n = len(site.labels)
    predictions = {MODEL: out_of_fold(folds, [expit(values) for values in log_odds], n)}
    for method, values in by_method.items():
        predictions[method] = out_of_fold(folds, values, n)
    simple, ranked = simple_predictions(data, landmark, folds)
    predictions |= simple
    measures, differences = measured_and_compared(data, predictions, ranked, int(rng.integers(2**63)))
    validation = LandmarkValidation(
        landmark=landmark,
        courses=n,
        events=int(site.labels.sum()),
        patients=len(np.unique(site.patients)),
        n_folds=len(folds) // n_repeats,
        n_repeats=n_repeats,
        labels=site.labels,
        predictions=predictions,
        measures=measures,
        differences=differences,
        members_used={method: number / len(folds) for method, number in chosen.items()},
        folds=tuple(folds),
        log_odds=tuple(log_odds),
    )
    return UpdateValidation(validation, choice, site.patients)


def updating_table(found: Iterable[UpdateValidation]) -> pd.DataFrame:
    """Return one row per landmark and candidate, and one for the procedure with its choice.

    Returns
    -------
    pandas.DataFrame
        `landmark, courses, events, candidate, chosen`; `log_loss, calibration_slope, calibration_intercept`, each
        with `_low` and `_high`, from courses that the candidate was not fitted to; `above_best` and
        `standard_error`, by which the choice was made (log-loss, from its own folds); `share_chosen` over the folds
        of the validation; `intercept, slope, spread, penalty` of the candidate fitted to all courses. Empty where a
        number does not exist.
    """
    records = []
    for one in found:
        validation, choice = one.validation, one.choice
        for method, candidate in choice.candidates.items():
            above, error = choice.above_best[method]
            records.append(
                _measured(validation, method)
                | {"chosen": method == choice.update.method, "above_best": above, "standard_error": error}
                | {"share_chosen": validation.members_used[method]}
                | {"intercept": candidate.intercept, "slope": candidate.slope}
                | {"spread": candidate.spread or np.nan, "penalty": candidate.penalty or np.nan}
            )
        records.append(_measured(validation, MODEL) | {"candidate": PROCEDURE})
    return pd.DataFrame(records)


def _measured(validation: LandmarkValidation, name: str) -> dict[str, object]:
    record: dict[str, object] = {
        "landmark": validation.landmark,
        "courses": validation.courses,
        "events": validation.events,
        "candidate": name,
        "chosen": False,
    }
    for measure in ("log_loss", "calibration_slope", "calibration_intercept"):
        interval = validation.measures[name][measure]
        record |= {measure: interval.estimate, f"{measure}_low": interval.low, f"{measure}_high": interval.high}
    return record


def updating_as_text(table: pd.DataFrame) -> str:
    """Return the table of `updating_table` as text: one line per landmark and candidate, the chosen one marked."""

    def interval(row: pd.Series, measure: str) -> str:
        estimate, low, high = (float(row[name]) for name in (measure, f"{measure}_low", f"{measure}_high"))
        if np.isnan(estimate):
            return "not estimable"
        return f"{estimate:.3f} " + ("(no interval)" if np.isnan(low) else f"({low:.3f} to {high:.3f})")

    shown = pd.DataFrame(
        {
            "landmark": row["landmark"],
            "courses": row["courses"],
            "events": row["events"],
            "candidate": row["candidate"],
            "": "chosen" if row["chosen"] else "",
            "log-loss": interval(row, "log_loss"),
            "calibration-in-the-large": interval(row, "calibration_intercept"),
            "calibration slope": interval(row, "calibration_slope"),
        }
        for _, row in table.iterrows()
    )
    repeated = shown["landmark"].duplicated()
    for name in ("landmark", "courses", "events"):
        shown[name] = shown[name].astype(object).where(~repeated, "")
    return str(shown.to_string(index=False))


def choice_words(found: UpdateValidation) -> str:
    """Say in one sentence what was chosen for a landmark and why."""
    choice, validation = found.choice, found.validation
    update, left = choice.update, validation.measures[LEAVE_IT]["log_loss"].estimate
    whole = validation.measures[MODEL]["log_loss"].estimate
    said = {
        LEAVE_IT: "left as it is",
        "intercept": f"intercept {update.intercept:+.2f}",
        "intercept and slope": f"intercept {update.intercept:+.2f}, slope {update.slope:.2f}",
        "shrunken refit": f"refit, drawn towards the parent (intercept {update.intercept:+.2f}, slope "
        f"{update.slope:.2f}, all changes together {update.spread:g} log-odds)",
    }[update.method]
    above, error = choice.above_best[update.method]
    why = (
        "it predicts best"
        if choice.best == update.method
        else f"{choice.best} predicts better by {above:.3f} in log-loss, within its standard error of {error:.3f}"
    )
    few = "" if len(choice.candidates) > 2 else "; a slope was not tried: fewer than 10 patients of one class"
    return (
        f"{validation.landmark}: {said}; {why}{few}. Log-loss {left:.3f} left as it is, {whole:.3f} updated this way "
        "(cross-validated, the choice included)."
    )


def rarely_chosen(found: UpdateValidation) -> tuple[str, ...]:
    """Say so where the method that all courses chose was chosen in fewer than half of the folds."""
    validation, method = found.validation, found.choice.update.method
    shares = validation.members_used
    if shares[method] >= OFTEN_CHOSEN:
        return ()
    most = max(shares, key=lambda name: shares[name])
    return (
        f"{validation.landmark}: the chosen update ({method}) was chosen in {shares[method]:.0%} of the folds only, "
        f"most often {most} ({shares[most]:.0%}): with other courses of this site the choice could well be another.",
    )


def update_facts(found: UpdateValidation) -> dict[str, Any]:
    """Return what was chosen for a landmark, with its numbers, as JSON values."""
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


def update_study(
    cohort: Cohort,
    data: TrainingData,
    found: UpdateValidation,
    outcome: Outcome,
    rng: np.random.Generator,
    with_arm: bool,
) -> LandmarkStudy:
    """Return what the model card shows of an updated landmark: the same tables as after training, without refits."""
    validation = found.validation
    assessment = assess(cohort, data, validation, outcome, rng, with_arm=with_arm)
    # Whether the courses are enough for a model of their own is not the question here.
    missing = [text for text in assessment.statements if "have no outcome" in text]
    return LandmarkStudy(
        validation.landmark,
        validation,
        assessment,
        None,
        None,
        assessment.tables | {"updating": updating_table([found])},
        (choice_words(found), *missing),
        (*assessment.warnings, *rarely_chosen(found)),
        resamples_of(cohort, data, validation, outcome),
    )
