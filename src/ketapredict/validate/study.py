"""All that is asked of one landmark's model, from one set of refits: how good, how stable, where, and at what size."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import expit

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import Outcome
from ketapredict.errors import TrainingError
from ketapredict.model.fit import training_data
from ketapredict.model.landmark_model import LandmarkModel
from ketapredict.model.members import TrainingData
from ketapredict.model.training_rows import training_rows
from ketapredict.validate.assessment import Assessment, assess
from ketapredict.validate.by_site import SiteValidation, validate_by_site
from ketapredict.validate.cross_validation import MODEL, N_FOLDS, LandmarkValidation, cross_validate
from ketapredict.validate.fits import fit_and_predict
from ketapredict.validate.instability import Instability, instability
from ketapredict.validate.learning_curve import SHARES, learning_curve
from ketapredict.validate.optimism import optimism_table
from ketapredict.validate.prior_effect import prior_table, prior_words, with_and_without
from ketapredict.validate.refits import bootstrap_refits
from ketapredict.validate.replicates import draw_secret, replicates


@dataclass(frozen=True, slots=True)
class Effort:
    """How much resampling a training run does.

    Attributes
    ----------
    repeats : int
        Of the 5-fold cross-validation, at least 1.
    refits : int
        Bootstrap refits for optimism and instability, 0 or at least 2. At least two hundred are recommended for
        percentiles of single predictions (Riley and Collins 2023, doi:10.1002/bimj.202200302).
    curve_repeats : int
        Repeats of the cross-validation that the learning curve goes along with, 0 for no curve.
    prior_repeats : int
        Repeats of the cross-validation that are done again without the prior, at least 1 and at most `repeats`.
    """

    repeats: int
    refits: int
    curve_repeats: int
    prior_repeats: int = 1

    @property
    def words(self) -> str:
        """The resampling in a few words."""
        parts = [f"{self.repeats} x {N_FOLDS}-fold cross-validation"]
        parts.append(f"{self.refits} bootstrap refits" if self.refits else "no bootstrap refits")
        parts.append("learning curve" if self.curve_repeats else "no learning curve")
        return ", ".join(parts)


FULL = Effort(repeats=10, refits=200, curve_repeats=1, prior_repeats=2)
QUICK = Effort(repeats=2, refits=16, curve_repeats=0)

# One stream of random numbers for each part, so that more of one changes nothing in another.
_CROSS_VALIDATION, _REFITS, _SITES, _CURVE, _WEIGHTS, _PRIOR = range(1, 7)


@dataclass(frozen=True, slots=True)
class LandmarkStudy:
    """What was found about the model of one landmark.

    Attributes
    ----------
    landmark : str
    validation : LandmarkValidation
    assessment : Assessment
    instability : Instability or None
        None without refits.
    sites : SiteValidation or None
        None with fewer than two sites.
    tables : dict of str to pandas.DataFrame
        Those of the assessment and `optimism`, `sites`, `sites_pooled`, `learning_curve`; each with a first
        column `landmark`.
    statements, warnings : tuple of str
        What is to be known, and what is to be known first.
    resamples : pandas.DataFrame
        Bootstrap replicates that the gate compares versions by (`replicates`).
    """

    landmark: str
    validation: LandmarkValidation
    assessment: Assessment
    instability: Instability | None
    sites: SiteValidation | None
    tables: dict[str, pd.DataFrame]
    statements: tuple[str, ...]
    warnings: tuple[str, ...]
    resamples: pd.DataFrame


def number_of_fits(effort: Effort, n_sites: int, *, with_prior: bool) -> int:
    """Return about how many fits a landmark takes: for a progress bar."""
    without = effort.prior_repeats * N_FOLDS if with_prior else 0
    curve = effort.curve_repeats * N_FOLDS * len(SHARES)
    return effort.repeats * N_FOLDS + effort.refits + curve + without + (n_sites if n_sites > 1 else 0)


def study_landmark(
    cohort: Cohort,
    data: TrainingData,
    model: LandmarkModel,
    outcome: Outcome,
    effort: Effort,
    seeds: tuple[int, ...],
    *,
    with_arm: bool = False,
    progress: Callable[[int], None] = lambda _: None,
    timed: Callable[[str], AbstractContextManager[None]],
) -> LandmarkStudy:
    """Cross-validate, refit, leave sites out, and reckon everything that the card shows of a landmark.

    Parameters
    ----------
    cohort : Cohort
        The courses that were trained on, before any landmark's selection.
    data : TrainingData
        n courses, of the landmark.
    model : LandmarkModel
        The model that is reported, fitted to these courses.
    outcome : {"response", "remission"}
    effort : Effort
    seeds : tuple of int
        Not negative.
    with_arm : bool
    progress : callable
        Called with the number of fits done since the last call.
    timed : callable
        Gives a context that measures what is done in it, under a name.

    Returns
    -------
    LandmarkStudy
    """

    def stream(part: int) -> np.random.Generator:
        return np.random.default_rng([*seeds, part])

    landmark = model.landmark
    reported = model.independent_log_odds(data.frame)
    rng = stream(_CROSS_VALIDATION)
    with timed("cross-validation"):
        validation = cross_validate(data, landmark, effort.repeats, rng, progress)
    with timed("measures, intervals, subgroups"):
        assessment = assess(cohort, data, validation, outcome, rng, with_arm=with_arm)
    tables: dict[str, pd.DataFrame] = {}
    statements: list[str] = []
    moved = None
    if effort.refits:
        try:
            with timed("bootstrap refits"):
                refits = bootstrap_refits(data, stream(_REFITS), effort.refits, reported, progress)
        except TrainingError as error:
            statements.append(f"{landmark}: no bootstrap refits. {error}")
        else:
            with timed("optimism, instability"):
                tables["optimism"] = optimism_table(refits)
                moved = instability(refits)
            statements.append(f"{landmark}: {moved.statement}")
    if data.prior is not None:
        with timed("without the prior"):
            tables["prior"] = prior_table(model, data)
            tables["prior_performance"] = with_and_without(
                data, validation, effort.prior_repeats, stream(_PRIOR), progress
            )
            statements.append(f"{landmark}: {prior_words(tables['prior'], tables['prior_performance'])}")
    if not (data.weights == 1).all():
        with timed("effect of the weights"):
            everyone = np.arange(len(data.labels))
            plain = replace(training_data(cohort, landmark, outcome, with_arm=with_arm), prior=data.prior)
            ((without, _),) = fit_and_predict(plain, [(everyone, everyone)], stream(_WEIGHTS))
        moved_by = np.abs(expit(reported) - expit(without))
        statements.append(
            f"{landmark}: fitted with weights for completion ({data.weights.min():.2f} to {data.weights.max():.2f}); "
            f"without them a prediction would differ by {moved_by.mean():.3f} on average, at most {moved_by.max():.3f}."
        )
    with timed("sites"):
        site_of = cohort.table["site"].to_numpy(object)[training_rows(cohort, landmark, outcome)]
        sites = validate_by_site(data, site_of, stream(_SITES), progress=progress)
    if sites is not None:
        tables |= {"sites": sites.sites, "sites_pooled": sites.pooled}
    if effort.curve_repeats:
        with timed("learning curve"):
            tables["learning_curve"] = learning_curve(
                data, validation, stream(_CURVE), repeats=effort.curve_repeats, progress=progress
            )
    for table in tables.values():
        table.insert(0, "landmark", landmark)
    return LandmarkStudy(
        landmark,
        validation,
        assessment,
        moved,
        sites,
        assessment.tables | tables,
        (*assessment.statements, *statements),
        assessment.warnings,
        resamples_of(cohort, data, validation, outcome),
    )


def resamples_of(cohort: Cohort, data: TrainingData, validation: LandmarkValidation, outcome: Outcome) -> pd.DataFrame:
    """Return the replicates of the out-of-fold predictions, the same draws for every model of the same courses."""
    p = validation.predictions[MODEL]
    return replicates(data.labels, p, data.patients, validation.landmark, draw_secret(cohort), outcome)
