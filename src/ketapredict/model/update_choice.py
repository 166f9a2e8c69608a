"""Which update a new site's courses bear out, by repeated cross-validation; ties go to the simpler."""

from dataclasses import dataclass

import numpy as np

from ketapredict.errors import TrainingError
from ketapredict.model.folds import repeated_folds
from ketapredict.model.updating import (
    INTERCEPT,
    LEAVE_IT,
    METHODS,
    REFIT,
    SLOPE,
    SPREADS,
    Method,
    Site,
    Update,
    fit_intercept,
    fit_refits,
    fit_slope,
)

CHOICE_FOLDS, CHOICE_REPEATS = 5, 3
# An intercept is one number: with five of either class its standard error is at most some 0.7, and it is fit to be
# held against leaving it. A slope from fewer than ten is noise. The calibration measures have the same minima.
FEWEST_FOR_INTERCEPT, FEWEST_FOR_SLOPE = 5, 10


@dataclass(frozen=True, slots=True)
class Choice:
    """The update that was chosen, and what it was chosen among.

    Attributes
    ----------
    update : Update
        Fitted to all courses.
    candidates : dict of str to Update
        By method, from the simplest, fitted to all courses.
    best : str
        The method that predicted best.
    log_loss : dict of str to float
        Mean log-loss of each candidate, of courses that it was not fitted to.
    above_best : dict of str to (float, float)
        How much that is above the best candidate's, and the standard error of this difference over patients.
    """

    update: Update
    candidates: dict[Method, Update]
    best: Method
    log_loss: dict[Method, float]
    above_best: dict[Method, tuple[float, float]]


def allowed_methods(labels: np.ndarray, patients: np.ndarray) -> tuple[Method, ...]:
    """Return the candidates that these courses can tell apart.

    At least 5 patients with the outcome and 5 without for the intercept, 10 and 10 for the slope and the refit;
    `leave it` alone under that.

    Parameters
    ----------
    labels : numpy.ndarray
        (n,) of 0 and 1.
    patients : numpy.ndarray
        (n,).
    """
    rarer = min(patients_of_either_class(labels, patients))
    if rarer < FEWEST_FOR_INTERCEPT:
        return (LEAVE_IT,)
    return METHODS if rarer >= FEWEST_FOR_SLOPE else (LEAVE_IT, INTERCEPT)


def patients_of_either_class(labels: np.ndarray, patients: np.ndarray) -> tuple[int, int]:
    """Return how many patients have a course with the outcome, and how many one without."""
    return len(np.unique(patients[labels == 1])), len(np.unique(patients[labels == 0]))


def choose_update(site: Site, allowed: tuple[Method, ...], rng: np.random.Generator) -> Choice:
    """Choose among candidates by 3 x 5-fold cross-validation with patients as groups.

    The refit is tried at each spread. Among all candidates and spreads, the simplest is chosen whose mean log-loss is
    within one standard error of the best (of the paired difference, over patients): the rule of one standard error,
    Breiman et al. 1984, section 3.4.3. The smaller the spread, the simpler; the same rule among the refits alone
    says which of them stands for the refit. That the best of several looks better than it is counts a little against
    the simple ones; what the choice is worth is measured around the whole of it (`validate.updating`).

    Parameters
    ----------
    site : Site
    allowed : tuple of str
        Candidates, from `allowed_methods`.
    rng : numpy.random.Generator

    Returns
    -------
    Choice
    """
    settings = [(method, spread) for method in allowed for spread in (SPREADS if method == REFIT else (0.0,))]
    losses = np.zeros((len(settings), len(site.labels)))
    if len(allowed) > 1:
        try:
            folds = repeated_folds(site.labels, site.patients, CHOICE_FOLDS, CHOICE_REPEATS, rng)
        except TrainingError:  # inside a larger validation a class can be down to one patient
            return _chosen(site, settings[:1], losses[:1])
        for _, train, test in folds:
            held_out = site.rows(test)
            for position, update in enumerate(fit_candidates(site.rows(train), allowed)):
                losses[position, test] += _log_losses(update.log_odds(held_out), held_out.labels)
        losses /= CHOICE_REPEATS
    return _chosen(site, settings, losses)


def fit_candidates(site: Site, allowed: tuple[Method, ...]) -> list[Update]:
    """Fit the candidates, the refit once for each spread, in the order of `METHODS` and `SPREADS`."""
    found = [Update(LEAVE_IT, 0.0, 1.0, site.parent)]
    if INTERCEPT in allowed:
        found.append(fit_intercept(site))
    if SLOPE in allowed:
        found.append(fit_slope(site))
    if REFIT in allowed:
        found += fit_refits(site)
    return found


def _chosen(site: Site, settings: list[tuple[Method, float]], losses: np.ndarray) -> Choice:
    allowed = tuple(dict.fromkeys(method for method, _ in settings))
    fitted = fit_candidates(site, allowed)
    means = losses.mean(axis=1)

    def above(k: int, best: int) -> tuple[float, float]:
        return float(means[k] - means[best]), _standard_error(losses[k] - losses[best], site.patients)

    def simplest(positions: list[int]) -> tuple[int, int]:
        """Return the best of some settings and the first that is as good, give or take a standard error."""
        best = min(positions, key=lambda k: means[k])
        differences = {k: above(k, best) for k in positions}
        return best, next(k for k, (difference, error) in differences.items() if difference <= error)

    best, chosen = simplest(list(range(len(settings))))
    stands_for = {
        method: simplest([k for k, setting in enumerate(settings) if setting[0] == method])[1] for method in allowed
    }
    stands_for[settings[chosen][0]] = chosen
    return Choice(
        update=fitted[chosen],
        candidates={method: fitted[k] for method, k in stands_for.items()},
        best=settings[best][0],
        log_loss={method: float(means[k]) for method, k in stands_for.items()},
        above_best={method: above(k, best) for method, k in stands_for.items()},
    )


def _standard_error(differences: np.ndarray, patients: np.ndarray) -> float:
    """Return the standard error of the mean difference (n,), with patients as independent units."""
    codes = np.unique(patients, return_inverse=True)[1]
    sums = np.bincount(codes, differences - differences.mean())
    groups = len(sums)
    return float(np.sqrt(groups / max(groups - 1, 1) * (sums**2).sum()) / len(differences))


def _log_losses(log_odds: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.asarray(np.logaddexp(0.0, log_odds) - log_odds * labels)
