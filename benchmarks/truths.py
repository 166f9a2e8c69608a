"""Training cohorts and new patients from one world: the calibrated simulator, or a known truth of `known_truth`.

In the simulator the courses of one site share its effect and its rater, which the true probability averages out.
Cohorts are therefore spread over many sites, max(20, n / 5), and new patients over more still: with few sites,
outcomes and truth would differ by the sites' effects, and no prediction that does not know the site could help it.

Who is a new patient: one with the landmark's score, since without it there is no prediction. Simulated courses
stop by what was last observed. `observed` are those whose outcome was rated, as in the training courses;
`complete` is everyone, with the outcome that would have been rated. In the worlds nobody stops: they are the same.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from known_truth import WORLDS, World, draw_cohort, make_world

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import outcome_labels
from ketapredict.cohort.protocols import PRE
from ketapredict.cohort.read import cohort_from_frame
from ketapredict.features.design import design_frame, features_at, threshold_feature
from ketapredict.simulate import Scenario, simulate_cohort, simulate_with_truth

SIMULATOR = "simulator"
TRUTHS = (SIMULATOR, *WORLDS)
OUTCOME = "response"
FEWEST_SITES = 20
COURSES_PER_SITE = 5


@dataclass(frozen=True)
class NewPatients:
    """Courses that no model was trained on.

    Attributes
    ----------
    frame : pandas.DataFrame
        (n, features + 1) as in `TrainingData.frame`.
    probability : numpy.ndarray
        (n,) true probability given the frame; NaN where it was not asked for.
    outcome : numpy.ndarray
        (n,) 0 or 1, had it been rated of everyone.
    observed : numpy.ndarray of bool
        (n,) whether it was rated.
    """

    frame: pd.DataFrame
    probability: np.ndarray
    outcome: np.ndarray
    observed: np.ndarray


def training_cohort(truth: str, n: int, seed: tuple[int, ...], landmark: str, sites: int | None = None) -> Cohort:
    """Draw a cohort of n courses; some of them without an outcome or the landmark's score.

    Parameters
    ----------
    truth : str
        One of `TRUTHS`.
    n : int
    seed : tuple of int
        For the simulator names the cohort; for a world the draw of its effects is `world_of` the same seed.
    landmark : str
    sites : int, optional
        Of the simulator; max(20, n / 5) where absent.
    """
    if truth == SIMULATOR:
        scenario = Scenario(n_sites=sites or max(FEWEST_SITES, n // COURSES_PER_SITE))
        table = simulate_cohort(n, seed_of(*seed, n, 1), scenario.protocol, n_sites=scenario.n_sites)
        return cohort_from_frame(table, scenario.protocol)
    rng = np.random.default_rng([*seed, WORLDS.index(truth), n, 1])
    return draw_cohort(world_of(truth, seed), n, rng, landmark, truth_draws=0)[0]


def new_patients(
    truth: str, n: int, seed: tuple[int, ...], landmark: str, *, with_probability: bool = True
) -> NewPatients:
    """Draw n new courses and keep those with the landmark's score; the parameters are those of `training_cohort`."""
    if truth == SIMULATOR:
        scenario = Scenario(n_sites=max(FEWEST_SITES, n // COURSES_PER_SITE))
        table, hidden = simulate_with_truth(scenario, n, seed_of(*seed, n, 2))
        cohort = cohort_from_frame(table, scenario.protocol)
        by_id = hidden.assign(course_id=hidden["course_id"].astype(str)).set_index("course_id")
        by_id = by_id.loc[cohort.table["course_id"].astype(str)]
        probability = by_id[f"{OUTCOME}_at_{landmark}"].to_numpy(float)
        outcome = by_id[OUTCOME].to_numpy(float)
    else:
        rng = np.random.default_rng([*seed, WORLDS.index(truth), n, 2])
        options = {} if with_probability else {"truth_draws": 0}
        cohort, probability = draw_cohort(world_of(truth, seed), n, rng, landmark, **options)
        outcome = outcome_labels(cohort, OUTCOME)
    scored = np.ones(len(cohort), dtype=bool)
    if landmark != PRE:
        scored = cohort.table[f"score_{landmark}"].notna().to_numpy()
    features = (*features_at(landmark, cohort.protocol, cohort.extras), threshold_feature(OUTCOME, landmark))
    observed = ~np.isnan(outcome_labels(cohort, OUTCOME))
    return NewPatients(
        design_frame(cohort.subset(scored), features, OUTCOME), probability[scored], outcome[scored], observed[scored]
    )


def world_of(truth: str, seed: tuple[int, ...]) -> World:
    """Draw the effects of a world."""
    return make_world(truth, np.random.default_rng([*seed, WORLDS.index(truth)]))


def seed_of(*numbers: int) -> int:
    """Return one seed for several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
