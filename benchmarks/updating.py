"""A model meets a new site: which update is chosen, what it gains, and whether the intervals hold the truth.

    .venv/bin/python benchmarks/updating.py [--worlds logistic,curved] [--train 300] [--sizes 80,200]
        [--repetitions 20] [--workers -1]

Each repetition trains at landmark 24h on courses of one truth (`known_truth.py`) and updates with courses of a site
whose true log-odds are those of the parent's truth (`same`), 0.8 higher (`higher`), half as spread (`flatter`), or
have the effects of all covariates turned round (`other effects`). Judged on 1,000 new courses of the site.

Printed: how often each update is chosen; mean log-loss above the truth's own (Kullback-Leibler) as left and as
chosen; coverage and width of the 90% intervals of the parent and of the update; the lowest coverage by third of the
true probability after it.
"""

import argparse
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
from interval_coverage import judge
from joblib import Parallel, delayed
from known_truth import WORLDS, World, draw_cohort, make_world
from scipy import special
from threadpoolctl import threadpool_limits

from ketapredict.cohort.cohort import SIMULATED_PREFIX
from ketapredict.explain.contributions import contributions
from ketapredict.features.design import design_frame
from ketapredict.model.fit import fit_landmark, training_data
from ketapredict.model.uncertainty import updated_uncertainty
from ketapredict.model.update_choice import METHODS, allowed_methods, choose_update
from ketapredict.model.updating import site_of, updated_model

SEED, LANDMARK, NEW_COURSES = 20261124, "24h", 1000


def sites(world: World, other: World) -> dict[str, World]:
    """Return the truths of the new sites."""

    def flatter(x, early, baseline):
        return 0.5 * world.log_odds(x, early, baseline)

    def higher(x, early, baseline):
        return world.log_odds(x, early, baseline) + 0.8

    return {
        "same": world,
        "higher": World(world.name, higher),
        "flatter": World(world.name, flatter),
        "other effects": other,
    }


def repetition(world: str, n_train: int, sizes: list[int], number: int) -> list[dict[str, object]]:
    """Train once and update for every site and size."""
    rng = np.random.default_rng([SEED, WORLDS.index(world), number])
    truth_of = make_world(world, rng)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        train, _ = draw_cohort(truth_of, n_train, rng, LANDMARK)
        parent = fit_landmark(training_data(train, LANDMARK, "response"), LANDMARK, "response", rng)
        rows: list[dict[str, object]] = []
        for name, site_truth in sites(truth_of, make_world(world, rng)).items():
            new, truth = draw_cohort(site_truth, NEW_COURSES, rng, LANDMARK)
            # A drawn course can break a rule of the cohort table (a column's range) and be rejected.
            accepted = new.table["course_id"].str.removeprefix(SIMULATED_PREFIX).astype(int).to_numpy() - 1
            truth = truth[accepted]
            frame = design_frame(new, parent.features, "response")
            before = contributions(parent, frame)
            for n in sizes:
                met, _ = draw_cohort(site_truth, n, rng, LANDMARK)
                data = training_data(met, LANDMARK, "response")
                site = site_of(parent, data.frame, data.labels, data.patients)
                choice = choose_update(site, allowed_methods(data.labels, data.patients), rng)
                assert parent.uncertainty is not None
                uncertainty = updated_uncertainty(parent.uncertainty, site.columns * site.scales, data.labels)
                model = replace(updated_model(parent, site, choice.update), uncertainty=uncertainty)
                after = contributions(model, frame)
                row: dict[str, object] = {"truth": world, "site": name, "n": n}
                row |= {method: float(choice.update.method == method) for method in METHODS}
                row |= {
                    "excess as left": excess(truth, before.log_odds),
                    "excess updated": excess(truth, after.log_odds),
                }
                was, is_now = judge(before.p_low, before.p_high, truth), judge(after.p_low, after.p_high, truth)
                row |= {"coverage as left": was["coverage"], "coverage": is_now["coverage"]}
                row["lowest third"] = min(v for k, v in is_now.items() if k.endswith("third"))
                row |= {"width as left": was["width"], "width": is_now["width"]}
                rows.append(row)
    return rows


def excess(truth: np.ndarray, log_odds: np.ndarray) -> float:
    """Return the expected log-loss of log-odds above that of the true probabilities."""
    p = np.clip(truth, 1e-9, 1 - 1e-9)
    cross = np.logaddexp(0.0, log_odds) - p * log_odds
    entropy = np.logaddexp(0.0, special.logit(p)) - p * special.logit(p)
    return float((cross - entropy).mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", default="logistic,curved")
    parser.add_argument("--train", type=int, default=300)
    parser.add_argument("--sizes", default="80,200")
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--workers", type=int, default=-1)
    arguments = parser.parse_args()
    sizes = [int(n) for n in arguments.sizes.split(",")]
    worlds = arguments.worlds.split(",")
    jobs = [(world, arguments.train, sizes, number) for number in range(arguments.repetitions) for world in worlds]
    found = Parallel(n_jobs=arguments.workers)(delayed(repetition)(*job) for job in jobs)
    table = pd.DataFrame([row for rows in found for row in rows])
    shown = table.groupby(["truth", "site", "n"], sort=False).mean().reset_index()
    print(f"parent trained on {arguments.train}, {arguments.repetitions} repetitions")
    print(shown.sort_values(["truth", "site", "n"]).to_string(index=False, float_format=lambda x: f"{x:.3f}"))


if __name__ == "__main__":
    main()
