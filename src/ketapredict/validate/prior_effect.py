"""What came from evidence and what from the data at hand: coefficients side by side, and the fit without the prior."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import expit

from ketapredict.model.evidence_logistic import EVIDENCE
from ketapredict.model.landmark_model import LandmarkModel
from ketapredict.model.members import TrainingData
from ketapredict.validate.cross_validation import LandmarkValidation
from ketapredict.validate.fits import fit_and_predict
from ketapredict.validate.intervals import bootstrap_difference
from ketapredict.validate.measures import MEASURES
from ketapredict.validate.resampling import out_of_fold

COMPARED = ("auc", "log_loss", "brier")


def prior_table(model: LandmarkModel, data: TrainingData) -> pd.DataFrame:
    """Return prior and fitted coefficients of each feature that evidence says something about.

    Parameters
    ----------
    model : LandmarkModel
        Fitted to the data.
    data : TrainingData
        n courses, with a prior.

    Returns
    -------
    pandas.DataFrame
        `feature, label, prior_mean, prior_sd` (per unit of the feature, log-odds), `strength` (of the prior, as
        chosen), `fitted` (by the logistic regression that starts from the prior), `committee` (linear coefficient of
        the whole), `worth_courses`, `sources, certainty`.

        `worth_courses` is the effective sample size of the prior (Morita, Thall and Mueller 2008,
        doi:10.1111/j.1541-0420.2007.00888.x) for one coefficient taken alone: strength / SD^2 over the information of
        one course, the mean of p (1 - p) (x - mean)^2; infinite where the feature does not vary. NaN where the feature
        does not enter.
    """
    prior = data.prior
    if prior is None:
        raise ValueError("expected training data with a prior")
    member = next(member for member in model.members if member.name == EVIDENCE)
    strength = member.settings["strength"]
    place = {column.name: k for k, column in enumerate(model.columns)}
    labels = {feature.name: feature.label for feature in data.features}
    p = expit(model.independent_log_odds(data.frame))
    rows = []
    for name, mean, sd, source, certainty in zip(
        prior.names, prior.means, prior.spreads, prior.sources, prior.certainty, strict=True
    ):
        fitted = committee = worth = np.nan
        if name in place:
            fitted, committee = member.coefficients[place[name]], model.coefficients[place[name]]
            values = data.frame[name].to_numpy(float)
            values = np.where(np.isnan(values), model.columns[place[name]].fill, values)
            weight = p * (1.0 - p)
            spread = float(np.mean(weight * (values - np.average(values, weights=weight)) ** 2))
            worth = strength / sd**2 / spread if spread > 0 else np.inf
        row = (name, labels.get(name, name), mean, sd, strength, fitted, committee, worth, source, certainty)
        rows.append(row)
    columns = ["feature", "label", "prior_mean", "prior_sd", "strength", "fitted", "committee", "worth_courses"]
    return pd.DataFrame(rows, columns=[*columns, "sources", "certainty"])


def with_and_without(
    data: TrainingData,
    validation: LandmarkValidation,
    repeats: int,
    rng: np.random.Generator,
    progress: Callable[[int], None] = lambda _: None,
) -> pd.DataFrame:
    """Do the first repeats of the cross-validation again without the prior, and compare on the same folds.

    Parameters
    ----------
    data : TrainingData
        With a prior.
    validation : LandmarkValidation
        Of the procedure with the prior.
    repeats : int
        At least 1; no more are done than the validation has.
    rng : numpy.random.Generator
    progress : callable
        Called with 1 after each fit.

    Returns
    -------
    pandas.DataFrame
        `measure, with_prior, without, difference, se, low, high`: paired 95% intervals over patients.
    """
    folds = [fold for fold in validation.folds if fold[0] < repeats]
    splits = [(train, test) for _, train, test in folds]
    without = [found for found, _ in fit_and_predict(replace(data, prior=None), splits, rng, progress)]
    rows = len(data.labels)
    p_with = out_of_fold(folds, [expit(found) for found in validation.log_odds[: len(folds)]], rows)
    p_without = out_of_fold(folds, [expit(found) for found in without], rows)
    found = bootstrap_difference(data.labels, p_with, p_without, data.patients, rng)
    records = []
    for name in COMPARED:
        function = MEASURES[name].function
        measured = (
            float(np.mean([function(data.labels, p, None) for p in repeats])) for repeats in (p_with, p_without)
        )
        difference = found[name]
        records.append((name, *measured, difference.estimate, difference.se, difference.low, difference.high))
    columns = ["measure", "with_prior", "without", "difference", "se", "low", "high"]
    return pd.DataFrame(records, columns=columns)


def prior_words(coefficients: pd.DataFrame, performance: pd.DataFrame) -> str:
    """Return what the prior did, in a sentence or two."""
    strength = float(coefficients["strength"].iloc[0])
    loss = performance.set_index("measure").loc["log_loss"]
    kept = "taken as it is" if strength == 1 else f"of strength {strength:g} (1: as it is)"
    words = (
        f"the prior was {kept}; out-of-fold log-loss with it less without it {loss['difference']:+.4f} "
        f"({loss['low']:+.4f} to {loss['high']:+.4f})."
    )
    latest = coefficients[coefficients["feature"].str.startswith("early_improvement")]
    if len(latest) and np.isfinite(latest["worth_courses"].iloc[-1]):
        one = latest.iloc[-1]
        words += (
            f" For the latest early improvement it is worth about {one['worth_courses']:.0f} courses: prior "
            f"{one['prior_mean']:.2f} (SD {one['prior_sd']:.2f}), fitted {one['fitted']:.2f}."
        )
    return words
