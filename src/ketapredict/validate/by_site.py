"""Internal-external validation: each site predicted by the procedure fitted to the other sites."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from ketapredict.model.members import TrainingData
from ketapredict.validate.fits import Split, fit_and_predict
from ketapredict.validate.pooling import Pooled, pool
from ketapredict.validate.site_figures import SiteFigure, site_figures
from ketapredict.validate.small_groups import FEWEST_SHOWN, UNDER, without_small_sites
from ketapredict.validate.thresholds import THRESHOLDS

# A site with fewer has no figure of its own. Courses, not events: sites that were chosen by how their courses ended
# would not tell how the model does at a site that is not yet known.
FEWEST_COURSES = 20
# Without as many of either class there is nothing to fit.
FEWEST_EVENTS = 10
# Two sites say next to nothing about how sites differ.
FEWEST_POOLED = 3
# Sites too small for a figure are left out together, in at most this many lots.
SMALL_SITE_LOTS = 5
SMALLER_SITES = "smaller sites"
INTERVAL = ["measure", "scale", "estimate", "low", "high"]
SITE_COLUMNS = ["site", "sites", "courses", "events", *INTERVAL, "se"]
POOLED_COLUMNS = [*INTERVAL, "sites", "tau", "i2", "prediction_low", "prediction_high"]


@dataclass(frozen=True, slots=True)
class SiteValidation:
    """Performance at each site by a model that saw none of it.

    Attributes
    ----------
    sites : pandas.DataFrame
        `site, sites, courses, events, measure, scale, estimate, low, high, se, told`: one row per site (the
        smaller ones together) and measure; `se` on the scale on which figures are pooled ("logit" or
        "identity"); `told` says why a figure is not there (`small_groups.without_small_sites`).
    pooled : pandas.DataFrame
        `measure, scale, estimate, low, high, sites, tau, i2, prediction_low, prediction_high`, tau on that scale.
    log_odds : numpy.ndarray
        (n,) log-odds of each course by the fit without its site; NaN where none could be made.
    notes : tuple of str
        What became of every site without a figure of its own, and of every figure that is not pooled.
    """

    sites: pd.DataFrame
    pooled: pd.DataFrame
    log_odds: np.ndarray
    notes: tuple[str, ...]


def validate_by_site(
    data: TrainingData,
    sites: np.ndarray,
    rng: np.random.Generator,
    thresholds: Sequence[float] = THRESHOLDS,
    progress: Callable[[int], None] = lambda _: None,
) -> SiteValidation | None:
    """Leave each site out in turn, refit the whole procedure to the rest, and pool the sites' figures.

    A site with at least twenty courses has its own figures. The others are left out in up to
    five lots of whole sites, and their predictions are measured together as one unit, which also enters
    the pooling as one: tau is then a little too small, as that unit averages over several sites. With the
    smaller ones is measured, though it is left out by itself, a site with fewer than five courses of either
    class, since its figures, or what the pooled ones leave over for it, would tell of single patients. A
    patient of two sites is trained on in neither of them when one is left out. Figures of three units or more
    are pooled as `pooling.pool` says, the AUC on the logit.

    Parameters
    ----------
    data : TrainingData
        n courses.
    sites : numpy.ndarray (n,)
        Site of each course; None, NaN or "" where it is not known: such courses train but are not tested.
    rng : numpy.random.Generator
    thresholds : sequence of float
        For net benefit.
    progress : callable
        Called with 1 after each fit.

    Returns
    -------
    SiteValidation or None
        None with fewer than two known sites.

    References
    ----------
    Steyerberg and Harrell, J Clin Epidemiol 2016;69:245; Debray et al., Stat Med 2013;32:3158; Snell et al.,
    Stat Methods Med Res 2018;27:3505 (scales).
    """
    names = np.array([str(site) if site is not None and site == site else "" for site in sites], dtype=object)
    known = sorted(set(names.tolist()) - {""})
    if len(known) < 2:
        return None
    large = [site for site in known if (names == site).sum() >= FEWEST_COURSES]
    small = [site for site in known if site not in large]
    units = [[site] for site in large] + _lots(small, names)
    splits: list[Split] = []
    notes = [f"{int((names == '').sum())} courses without a site are trained on only"] if (names == "").any() else []
    for unit in units:
        test = np.flatnonzero(np.isin(names, unit))
        train = np.flatnonzero(~np.isin(names, unit) & ~np.isin(data.patients, data.patients[test]))
        if _rarer(data.labels[train]) < FEWEST_EVENTS:
            notes.append(f"{', '.join(unit)}: not left out, the other sites have too few courses of one class")
            continue
        splits.append((train, test))
    log_odds = np.full(len(names), np.nan)
    for (_, test), (found, _) in zip(splits, fit_and_predict(data, splits, rng, progress), strict=True):
        log_odds[test] = found
    figures = []
    own, together = told_apart(large, small, names, np.where(np.isfinite(log_odds), data.labels, np.nan))
    hidden = [site for site in together if site in large]
    if hidden:
        notes.append(f"{', '.join(hidden)}: measured with the smaller sites, {UNDER} with the outcome or without")
    for label, members in [(site, [site]) for site in own] + ([(SMALLER_SITES, together)] if together else []):
        rows = np.isin(names, members) & np.isfinite(log_odds)
        if rows.sum() < FEWEST_COURSES:
            notes.append(f"{label}: no figure, under {FEWEST_COURSES} courses could be predicted")
            continue
        found_here = site_figures(data.labels[rows], log_odds[rows], thresholds)
        figures.append((label, len(members), int(rows.sum()), int(data.labels[rows].sum()), found_here))
    table = without_small_sites(_site_table(figures), int(data.labels.sum()))
    pooled = _pooled_table(figures)
    return SiteValidation(table, pooled, log_odds, (*notes, *_accounts(table, pooled)))


def _rarer(labels: np.ndarray) -> int:
    return int(min(labels.sum(), len(labels) - labels.sum()))


def told_apart(
    large: Sequence[str], small: Sequence[str], names: np.ndarray, labels: np.ndarray
) -> tuple[list[str], list[str]]:
    """Return the sites that are told one by one, and those that are told together; labels are NaN where not predicted.

    No figure is of fewer than five courses of either class, and what is told together is of several sites.
    """

    def rarer(sites: Sequence[str]) -> int:
        known = labels[np.isin(names, sites)]
        return _rarer(known[~np.isnan(known)])

    own = [site for site in large if rarer([site]) >= FEWEST_SHOWN]
    together = [site for site in large if site not in own] + list(small)
    if len(own) < len(large):
        for site in sorted(own, key=lambda name: (int((names == name).sum()), name)):
            if len(together) > 1 and rarer(together) >= FEWEST_SHOWN:
                break
            own.remove(site)
            together.append(site)
    return own, together


def _lots(small: Sequence[str], names: np.ndarray) -> list[list[str]]:
    """Spread sites over lots of about equal numbers of courses, the largest first."""
    lots: list[list[str]] = [[] for _ in range(min(SMALL_SITE_LOTS, len(small)))]
    filled = [0] * len(lots)
    for site in sorted(small, key=lambda name: (-int((names == name).sum()), name)):
        emptiest = filled.index(min(filled))
        lots[emptiest].append(site)
        filled[emptiest] += int((names == site).sum())
    return lots


_Unit = tuple[str, int, int, int, list[SiteFigure]]


def _site_table(units: list[_Unit]) -> pd.DataFrame:
    records = []
    for site, n_sites, courses, events, figures in units:
        for figure in figures:
            values = (figure.shown(0), figure.shown(-1), figure.shown(1), figure.se)
            records.append((site, n_sites, courses, events, figure.measure, figure.scale, *values))
    return pd.DataFrame(records, columns=SITE_COLUMNS)


def _accounts(table: pd.DataFrame, pooled: pd.DataFrame) -> list[str]:
    """Say which figures are not there, and where the pooling is of fewer units than there are."""
    units = table["site"].nunique()
    notes = []
    for (site, told), rows in table[table["told"] != ""].groupby(["site", "told"], sort=False):
        whole = len(rows) == table["measure"].nunique()
        notes.append(f"{site}: {'its own figures are' if whole else _named(rows['measure']) + ':'} {told}")
    without = {name: units - int(found) for name, found in zip(pooled["measure"], pooled["sites"], strict=True)}
    without |= {name: units for name in table["measure"].unique() if name not in without}
    if units < FEWEST_POOLED:
        return [*notes, f"not pooled: figures of {units} say next to nothing about how sites differ"]
    for number in sorted(set(without.values()) - {0}):
        named = _named(name for name, found in without.items() if found == number)
        notes.append(f"not pooled from {number} of {units}, where it cannot be estimated: {named}")
    return notes


def _named(measures: Iterable[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in measures)


def _pooled_table(units: list[_Unit]) -> pd.DataFrame:
    by_measure: dict[str, list[SiteFigure]] = {}
    for *_, figures in units:
        for figure in figures:
            if np.isfinite(figure.value) and np.isfinite(figure.se) and figure.se > 0:
                by_measure.setdefault(figure.measure, []).append(figure)
    records = []
    for measure, figures in by_measure.items():
        if len(figures) < FEWEST_POOLED:
            continue
        found: Pooled = pool(np.array([f.value for f in figures]), np.array([f.se for f in figures]) ** 2)
        shown = found.mapped(expit) if figures[0].scale == "logit" else found
        interval = (shown.estimate, shown.low, shown.high)
        between = (shown.tau, shown.i2, shown.prediction_low, shown.prediction_high)
        records.append((measure, figures[0].scale, *interval, found.sites, *between))
    return pd.DataFrame(records, columns=POOLED_COLUMNS)
