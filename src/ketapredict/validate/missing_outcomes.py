"""Courses without an outcome: how many, who they are, and weights that let the others stand for them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import Outcome, outcome_labels
from ketapredict.features.design import Feature, design_frame, features_at
from ketapredict.model.completion import FEWEST_MISSING, completion_weights
from ketapredict.model.training_rows import reached
from ketapredict.validate.intervals import Interval, bootstrap_interval

SITE, FEWEST_OF_A_SITE = "site", 20
COLUMNS = ["characteristic", "concept", "completers", "others", "smd", "completers_known", "others_known"]


@dataclass(frozen=True, slots=True)
class MissingOutcomes:
    """Who has no outcome among the courses that reached a landmark.

    Attributes
    ----------
    courses, missing : int
    table : pandas.DataFrame
        `characteristic, concept, completers, others, smd, completers_known, others_known`: mean (a share for
        yes/no) among courses with the outcome and without, standardised mean difference (completers minus
        others), number of known values. Largest difference first.
    weights : numpy.ndarray
        (courses - missing,) stabilised inverse-probability-of-completion weights of the completers, in their
        order; all 1 where fewer than five outcomes are missing.
    truncated_at : tuple of float
        Lowest and highest weight that was let stand.
    effective_size : float
        (sum w)^2 / sum w^2.
    """

    courses: int
    missing: int
    table: pd.DataFrame
    weights: np.ndarray
    truncated_at: tuple[float, float]
    effective_size: float

    @property
    def statement(self) -> str:
        """The count in one sentence, with the characteristic that differs most."""
        text = f"{self.missing} of {self.courses} courses ({self.missing / max(self.courses, 1):.0%}) have no outcome."
        if self.missing >= FEWEST_MISSING and len(self.table):
            first = self.table.iloc[0]
            text += f" They differ most in {first['characteristic']} (standardised difference {first['smd']:.2f})."
        return text


def missing_outcomes(cohort: Cohort, landmark: str, outcome: Outcome, *, with_arm: bool = False) -> MissingOutcomes:
    """Compare courses with and without an outcome at a landmark, and weight the former for the latter.

    Standardised mean difference: (m1 - m0) / sqrt((s1^2 + s0^2) / 2), s^2 the sample variance, p (1 - p) for
    yes/no. Weights: `model.completion.completion_weights` of the landmark's features.

    Parameters
    ----------
    cohort : Cohort
        Already reduced to the active arm unless `with_arm`.
    landmark : str
    outcome : {"response", "remission"}
    with_arm : bool

    Returns
    -------
    MissingOutcomes
        `weights` follow the order of `training_rows`.

    References
    ----------
    Austin, Stat Med 2009;28:3083 (differences).
    """
    courses = cohort.subset(reached(cohort, landmark, outcome))
    completed = ~np.isnan(outcome_labels(courses, outcome))
    features = features_at(landmark, cohort.protocol, cohort.extras, with_arm=with_arm)
    frame = design_frame(courses, features, outcome)
    missing = int((~completed).sum())
    weights, ends = completion_weights(frame.to_numpy(float), completed)
    effective = float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0
    table = _table(frame, features, completed, courses.table["site"].to_numpy(object))
    return MissingOutcomes(len(courses), missing, table, weights, ends, effective)


def weighted_measures(
    y: np.ndarray,
    p: np.ndarray,
    weights: np.ndarray,
    groups: np.ndarray,
    plain: Mapping[str, Interval],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return every measure without and with the weights, both with 95% intervals.

    Parameters
    ----------
    y, weights, groups : numpy.ndarray (n,)
        Outcomes, weights and patients of the completers.
    p : numpy.ndarray (n,) or (r, n)
        Their out-of-fold probabilities, of r repeats.
    plain : mapping of str to Interval
        The measures without weights.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        `measure, estimate, low, high, weighted, weighted_low, weighted_high, change`.
    """
    weighted = bootstrap_interval(y, p, groups, rng, weights=weights)
    records = [
        (name, a.estimate, a.low, a.high, b.estimate, b.low, b.high, b.estimate - a.estimate)
        for name, b in weighted.items()
        for a in [plain[name]]
    ]
    names = ["measure", "estimate", "low", "high", "weighted", "weighted_low", "weighted_high", "change"]
    return pd.DataFrame(records, columns=names)


def _table(
    frame: pd.DataFrame, features: tuple[Feature, ...], completed: np.ndarray, sites: np.ndarray
) -> pd.DataFrame:
    compared = [
        (feature.label, feature.concept, frame[feature.name].to_numpy(), feature.binary) for feature in features
    ]
    compared += [(f"site {name}", SITE, of_site, True) for name, of_site in _sites_to_tell(sites, completed)]
    records = []
    for label, concept, values, binary in compared:
        first, second = values[completed], values[~completed]
        first, second = first[~np.isnan(first)], second[~np.isnan(second)]
        if not len(first) or not len(second) or ((first == first[0]).all() and (second == first[0]).all()):
            continue
        variances = [_variance(group, binary=binary) for group in (first, second)]
        spread = np.sqrt(np.mean(variances))
        apart = first.mean() - second.mean()
        smd = apart / spread if spread > 0 else (0.0 if apart == 0 else np.inf * np.sign(apart))
        records.append((label, concept, first.mean(), second.mean(), smd, len(first), len(second)))
    table = pd.DataFrame(records, columns=COLUMNS)
    order = table["smd"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _sites_to_tell(sites: np.ndarray, completed: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield sites of twenty courses or more, with 1 for their courses.

    Not where one to four with an outcome or without are; nor, where that is one site alone, the next smallest: of the
    rest of a known total everybody can tell.
    """
    names = np.array([str(site) if site is not None and site == site else "" for site in sites], dtype=object)
    known = sorted(set(names.tolist()) - {""}, key=lambda name: (-int((names == name).sum()), name))

    def can_be_told(name: str) -> bool:
        here = names == name
        counts = [int((here & completed).sum()), int((here & ~completed).sum())]
        return sum(counts) >= FEWEST_OF_A_SITE and all(count == 0 or count >= FEWEST_MISSING for count in counts)

    told = [name for name in known if can_be_told(name)]
    if len(known) - len(told) == 1 and not (names == "").any():
        told = told[:-1]
    for name in told:
        yield name, (names == name).astype(float)


def _variance(values: np.ndarray, *, binary: bool) -> float:
    if binary:
        return float(values.mean() * (1 - values.mean()))
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0
