"""Updating a landmark's model for a new site: the candidates, each as an intercept, a slope and changes.

    new log-odds = a + b x parent log-odds + sum_j d_j (x_j - mean_j)

| candidate           | a    | b         | d                                                          |
|---------------------|------|-----------|------------------------------------------------------------|
| leave it            | 0    | 1         | 0                                                          |
| intercept           | free | 1         | 0                                                          |
| intercept and slope | free | N(1, 0.5) | 0                                                          |
| shrunken refit      | free | N(1, 0.5) | N(0, s) for all standardised columns together, s by resampling |

(Steyerberg et al. 2004, doi:10.1002/sim.1844; Vergouwe et al. 2017, doi:10.1002/sim.7179). The slope and the changes
are drawn towards the parent by normal priors with the standard deviations above, so that few events cannot make a
wild model, and the slope is held between 0.1 and 3. The changes act on the linear part; trees are kept and scaled
by b. A coefficient whose sign is beyond doubt keeps it, so that a better latest early score still never lowers
the probability. What comes out is of the same form as the parent, and its contributions are as exact.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from ketapredict.model.landmark_model import LandmarkModel, MemberFacts, UpdatingFacts
from ketapredict.model.penalised_logistic import penalised_logistic

Method = Literal["leave it", "intercept", "intercept and slope", "shrunken refit"]
LEAVE_IT: Method = "leave it"
INTERCEPT: Method = "intercept"
SLOPE: Method = "intercept and slope"
REFIT: Method = "shrunken refit"
# From the simplest.
METHODS: tuple[Method, ...] = (LEAVE_IT, INTERCEPT, SLOPE, REFIT)
SLOPE_SD = 0.5
LOWEST_SLOPE, HIGHEST_SLOPE = 0.1, 3.0
# Standard deviation, in log-odds, of what all changes together do to a patient; ascending: strongest shrinkage first.
SPREADS = (0.1, 0.2, 0.4, 0.8)
_INTERCEPT_PRECISION = 1e-4
UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Site:
    """Courses of a new site as a landmark's parent model sees them.

    Attributes
    ----------
    log_odds : numpy.ndarray
        (n,) of the parent.
    columns : numpy.ndarray
        (n, p) design matrix less the parent's training means, over `scales`.
    parent : numpy.ndarray
        (p,) the parent's coefficients per `scales`.
    scales : numpy.ndarray
        (p,) standard deviations of the columns in the parent's training, 1 for constant ones.
    signs : numpy.ndarray
        (p,) -1, 0 or 1: the sign that a coefficient must keep.
    labels : numpy.ndarray
        (n,) of 0 and 1.
    patients : numpy.ndarray
        (n,) equal for courses of one patient.
    """

    log_odds: np.ndarray
    columns: np.ndarray
    parent: np.ndarray
    scales: np.ndarray
    signs: np.ndarray
    labels: np.ndarray
    patients: np.ndarray

    def rows(self, index: np.ndarray) -> "Site":
        """Return the courses at some positions."""
        return replace(
            self,
            log_odds=self.log_odds[index],
            columns=self.columns[index],
            labels=self.labels[index],
            patients=self.patients[index],
        )


@dataclass(frozen=True, slots=True)
class Update:
    """One way from the parent's log-odds to those of the new site.

    Attributes
    ----------
    method : str
    intercept, slope : float
        a and b.
    coefficients : numpy.ndarray
        (p,) of the updated linear part, b x parent + d, per `Site.scales`.
    spread : float
        Standard deviation s of the refit's prior, log-odds; 0 without a refit.
    """

    method: Method
    intercept: float
    slope: float
    coefficients: np.ndarray
    spread: float = 0.0

    @property
    def penalty(self) -> float:
        """Ridge penalty on each standardised change, p / s^2 on the scale of the log-likelihood; 0 without a refit."""
        return len(self.coefficients) / self.spread**2 if self.spread else 0.0

    def log_odds(self, site: Site) -> np.ndarray:
        """Return the updated log-odds (n,)."""
        changes = self.coefficients - self.slope * site.parent
        return self.intercept + self.slope * site.log_odds + site.columns @ changes


def site_of(model: LandmarkModel, frame: pd.DataFrame, labels: np.ndarray, patients: np.ndarray) -> Site:
    """Return what the parent makes of the courses of a new site.

    Parameters
    ----------
    model : LandmarkModel
    frame : pandas.DataFrame
        (n, features) from `features.design.design_frame`, with all that the model reads.
    labels : numpy.ndarray
        (n,) of 0 and 1.
    patients : numpy.ndarray
        (n,).
    """
    centred = model.centred_design(frame)
    if model.uncertainty is not None:
        scales = model.uncertainty.scales
    else:  # a bundle without intervals: the new courses must do
        spread = centred.std(axis=0)
        scales = np.where(spread > 1e-9, spread, 1.0)
    directions = {feature.name: feature.direction for feature in model.features}
    signs = np.array([0 if c.kind == "missing" else directions[c.feature] for c in model.columns], dtype=int)
    return Site(
        log_odds=model.independent_log_odds(frame),
        columns=centred / scales,
        parent=model.coefficients * scales,
        scales=scales,
        signs=signs,
        labels=labels,
        patients=patients,
    )


def fit_intercept(site: Site) -> Update:
    """Fit a with b = 1: maximum likelihood with the parent's log-odds as an offset."""
    ones, precision = np.ones((len(site.labels), 1)), np.array([[_INTERCEPT_PRECISION]])
    found, _ = penalised_logistic(ones, site.labels, precision, np.zeros(1), offset=site.log_odds)
    return Update(INTERCEPT, float(found[0]), 1.0, site.parent)


def fit_slope(site: Site, slope_sd: float = SLOPE_SD) -> Update:
    """Fit a and b > 0, with b drawn towards 1 by a normal prior.

    Parameters
    ----------
    site : Site
    slope_sd : float
        Standard deviation of the prior; infinite for maximum likelihood.
    """
    design = np.column_stack([np.ones(len(site.labels)), site.log_odds])
    found, _ = penalised_logistic(
        design,
        site.labels,
        np.diag([_INTERCEPT_PRECISION, slope_sd**-2.0]),
        np.array([0.0, 1.0]),
        low=np.array([-np.inf, LOWEST_SLOPE]),
        high=np.array([np.inf, HIGHEST_SLOPE]),
    )
    return Update(SLOPE, float(found[0]), float(found[1]), float(found[1]) * site.parent)


def fit_refits(site: Site, spreads: tuple[float, ...] = SPREADS) -> list[Update]:
    """Fit a, b and d for each standard deviation of the changes, each from the one before.

    Solved for the updated coefficients u = b x parent + d, whose signs are plain bounds:
    log-odds = a + b (parent log-odds - columns @ parent) + columns @ u, penalty p / s^2 x |u - b parent|^2 / 2.

    Parameters
    ----------
    site : Site
    spreads : tuple of float
        Ascending.
    """
    n, p = site.columns.shape
    rest = site.log_odds - site.columns @ site.parent
    design = np.column_stack([np.ones(n), rest, site.columns])
    towards = np.r_[0.0, 1.0, site.parent]
    low = np.r_[-np.inf, LOWEST_SLOPE, np.where(site.signs > 0, 0.0, -np.inf)]
    high = np.r_[np.inf, HIGHEST_SLOPE, np.where(site.signs < 0, 0.0, np.inf)]
    towards = np.clip(towards, low, high)
    departure = np.column_stack([np.zeros(p), -site.parent, np.eye(p)])
    start = towards
    updates = []
    for spread in spreads:
        precision = p / spread**2 * departure.T @ departure
        precision[0, 0], precision[1, 1] = _INTERCEPT_PRECISION, precision[1, 1] + SLOPE_SD**-2.0
        start, _ = penalised_logistic(design, site.labels, precision, towards, low=low, high=high, start=start)
        updates.append(Update(REFIT, float(start[0]), float(start[1]), start[2:], spread))
    return updates


def updated_model(model: LandmarkModel, site: Site, update: Update) -> LandmarkModel:
    """Write an update into the model of a landmark; its uncertainty and scope stay the parent's.

    Columns and means stay, so that contributions are still counted from the means of the parent's training, and
    base_logit becomes a + b x the parent's: the changes say nothing at the means. The weights of the members are
    multiplied by b, and the update itself is one more member of weight 1: the coefficients still are the sum of
    weight x the members' own.

    Parameters
    ----------
    model : LandmarkModel
    site : Site
        What the update was fitted to.
    update : Update
    """
    facts = UpdatingFacts(
        method=update.method,
        courses=len(site.labels),
        events=int(site.labels.sum()),
        patients=len(np.unique(site.patients)),
    )
    if update.method == LEAVE_IT:
        return replace(model, updated=facts)
    scaled = update.slope * model.coefficients
    coefficients = update.coefficients / site.scales if update.method == REFIT else scaled
    changes = coefficients - scaled
    shift = update.intercept - float(changes @ model.means)
    settings = {"intercept": update.intercept, "slope": update.slope}
    if update.method == REFIT:
        settings |= {"spread": update.spread, "penalty": update.penalty}
    # Of an update before this one the changes are scaled like any other member's.
    members = [replace(member, weight=update.slope * member.weight) for member in model.members]
    return replace(
        model,
        coefficients=coefficients,
        intercept=update.slope * model.intercept + shift,
        members=(*members, MemberFacts(UPDATE, 1.0, settings, shift, changes)),
        tree_weight=update.slope * model.tree_weight,
        updated=facts,
    )
