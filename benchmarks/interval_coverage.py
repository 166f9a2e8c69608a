"""Do 90% intervals of the probability hold the true probability? Methods beside each other on known truths.

    .venv/bin/python benchmarks/interval_coverage.py [--worlds logistic,curved] [--landmark 24h]
        [--sizes 100,200,500] [--repetitions 20] [--bootstrap 0]
    .venv/bin/python benchmarks/interval_coverage.py --cohort TRAIN.csv --new NEW.csv --truth TRUTH.csv
        [--protocol P] [--landmark L] [--sizes ...] [--repetitions ...]

The second form takes any cohort with a known truth, such as `ketapredict simulate --truth` writes: training
courses are drawn from TRAIN.csv without replacement, intervals are judged on NEW.csv; TRUTH.csv has `course_id`
and `response_at_<landmark>`, the probability of response given what the model may see at the landmark.

Printed for each truth and size, as means over repetitions: coverage (the share of new courses whose true
probability is inside), overall and by third of the true probability; mean width; mean interval score, width
+ 20 x the distance by which the truth is missed (Gneiting and Raftery 2007, doi:10.1198/016214506000001437;
smaller is better); the standard error of the overall coverage over repetitions.

Methods: `ketapredict` is what the bundle holds. `posterior alone` is its Laplace posterior, without the
committee as centre. With --bootstrap B: `percentile` bootstrap of the committee at its chosen penalties;
`percentile, less shrunken`, at a quarter of them; `z, with bias`: committee's log-odds +/- 1.645 sqrt(bootstrap
variance + (difference to the committee at a quarter of the penalties)^2). Conformal methods cover outcomes,
not probabilities, and are no candidates.
"""

import argparse
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from known_truth import WORLDS, draw_cohort, make_world
from scipy import special
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.read import read_cohort
from ketapredict.explain.contributions import contributions
from ketapredict.features.design import design_frame, threshold_feature
from ketapredict.model.committee import FittedCommittee, fit_committee
from ketapredict.model.fit import fit_landmark, training_data
from ketapredict.model.members import TrainingData
from ketapredict.model.uncertainty import NORMAL_QUANTILE

SEED = 20261123
NEW_COURSES = 1000
LESS_SHRUNKEN = 0.25

Intervals = dict[str, tuple[np.ndarray, np.ndarray]]
Pair = tuple[Cohort, Cohort, np.ndarray]


def intervals(train: Cohort, new: Cohort, landmark: str, n_bootstrap: int, seed: int) -> Intervals:
    """Return lower and upper ends for the new courses by every method."""
    data = training_data(train, landmark, "response")
    model = fit_landmark(data, landmark, "response", np.random.default_rng(seed))
    frame = design_frame(new, (*data.features, threshold_feature("response", landmark)), "response")
    found = contributions(model, frame)
    assert model.uncertainty is not None
    centre, deviation = model.uncertainty.log_odds(model.centred_design(frame))
    reach = NORMAL_QUANTILE * deviation
    result: Intervals = {
        "ketapredict": (found.p_low, found.p_high),
        "posterior alone": (special.expit(centre - reach), special.expit(centre + reach)),
    }
    if n_bootstrap:
        result |= _bootstrap(data, frame, n_bootstrap, seed)
    return result


def _bootstrap(data: TrainingData, frame: pd.DataFrame, n_bootstrap: int, seed: int) -> Intervals:
    with threadpool_limits(1):
        committee = fit_committee(data, np.random.default_rng(seed))
        new = replace(data, frame=frame, labels=np.zeros(len(frame)), end_scores=np.zeros(len(frame)))
        rng = np.random.default_rng([seed, 1])
        drawn: dict[float, np.ndarray] = {}
        for factor in (1.0, LESS_SHRUNKEN):
            rows = [_rows(data, rng) for _ in range(n_bootstrap)]
            drawn[factor] = np.stack([_refit(committee, data.rows(r), factor).log_odds(new) for r in rows])
        z = committee.log_odds(new)
        bias = z - _refit(committee, data, LESS_SHRUNKEN).log_odds(new)
    reach = NORMAL_QUANTILE * np.sqrt(drawn[1.0].var(axis=0, ddof=1) + bias**2)

    def percentile(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        low, high = np.quantile(special.expit(values), [0.05, 0.95], axis=0)
        return low, high

    return {
        "percentile": percentile(drawn[1.0]),
        "percentile, less shrunken": percentile(drawn[LESS_SHRUNKEN]),
        "z, with bias": (special.expit(z - reach), special.expit(z + reach)),
    }


def _rows(data: TrainingData, rng: np.random.Generator) -> np.ndarray:
    while True:
        rows = rng.integers(len(data.labels), size=len(data.labels))
        if min(data.labels[rows].sum(), (1 - data.labels[rows]).sum()) >= 5:
            return rows


def _refit(committee: FittedCommittee, data: TrainingData, factor: float) -> FittedCommittee:
    """Fit the members again at their chosen settings, penalties times a factor."""
    members = []
    for member, weight in zip(committee.members, committee.weights, strict=True):
        pipeline = clone(member.pipeline)
        if weight == 0:
            members.append(member)
            continue
        if member.name == "monotone trees":
            X = data.frame[[feature.name for feature in committee.plan.values]].to_numpy(float)
            pipeline.fit(X, data.labels)
        else:
            penalty = member.pipeline.named_steps["model"].penalty
            pipeline.set_params(model__penalty=penalty * factor)
            pipeline.fit(data.frame.to_numpy(float), data.end_scores if member.name == "end score" else data.labels)
        members.append(replace(member, pipeline=pipeline))
    return replace(committee, members=tuple(members))


def judge(low: np.ndarray, high: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return coverage, overall and by third of the truth, width and interval score."""
    inside = (low <= truth) & (truth <= high)
    third = np.digitize(truth, np.quantile(truth, [1 / 3, 2 / 3]))
    missed = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    by_third = [float(inside[third == k].mean()) if (third == k).any() else np.nan for k in range(3)]
    return {
        "coverage": float(inside.mean()),
        **dict(zip(("lowest third", "middle third", "highest third"), by_third, strict=True)),
        "width": float((high - low).mean()),
        "interval score": float((high - low + 20 * missed).mean()),
    }


def repetition(arguments: argparse.Namespace, world: str, n: int, number: int) -> list[dict[str, object]]:
    """Judge every method on one training cohort."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if arguments.cohort:
            train, new, truth = pair_from_files(arguments, n, number)
        else:
            train, new, truth = drawn_pair(world, n, number, arguments.landmark)
        found = intervals(train, new, arguments.landmark, arguments.bootstrap, number)
    label: dict[str, object] = {"truth": world, "n": n}
    return [label | {"method": method} | judge(low, high, truth) for method, (low, high) in found.items()]


def drawn_pair(world: str, n: int, number: int, landmark: str) -> Pair:
    """Draw a training cohort and new courses with their truth."""
    rng = np.random.default_rng([SEED, WORLDS.index(world), n, number])
    truth_of = make_world(world, rng)
    train, _ = draw_cohort(truth_of, n, rng, landmark)
    new, truth = draw_cohort(truth_of, NEW_COURSES, rng, landmark)
    return train, new, truth


def pair_from_files(arguments: argparse.Namespace, n: int, number: int) -> Pair:
    """Draw a training cohort from a file; the new courses with their truth are always the same."""
    pool = read_cohort(arguments.cohort, protocol=arguments.protocol)
    new = read_cohort(arguments.new, protocol=arguments.protocol)
    if arguments.landmark != "pre":
        new = new.subset(new.table[f"score_{arguments.landmark}"].notna().to_numpy())
    by_id = pd.read_csv(arguments.truth, dtype={"course_id": str}).set_index("course_id")[
        f"response_at_{arguments.landmark}"
    ]
    keep = np.zeros(len(pool), dtype=bool)
    keep[np.random.default_rng([SEED, n, number]).choice(len(pool), n, replace=False)] = True
    return pool.subset(keep), new, by_id.loc[new.table["course_id"]].to_numpy(float)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", default="logistic,curved")
    parser.add_argument("--landmark", default="24h")
    parser.add_argument("--sizes", default="100,200,500")
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--bootstrap", type=int, default=0)
    parser.add_argument("--workers", type=int, default=-1)
    parser.add_argument("--protocol", default="induction-course")
    for name in ("cohort", "new", "truth"):
        parser.add_argument(f"--{name}", type=Path)
    arguments = parser.parse_args()

    worlds = ["cohort"] if arguments.cohort else arguments.worlds.split(",")
    sizes = [int(n) for n in arguments.sizes.split(",")]
    jobs = [(world, n, number) for number in range(arguments.repetitions) for n in sizes for world in worlds]
    found = Parallel(n_jobs=arguments.workers)(delayed(repetition)(arguments, *job) for job in jobs)
    table = pd.DataFrame([row for rows in found for row in rows])
    groups = table.groupby(["truth", "n", "method"], sort=False)
    summary = groups.mean()
    summary["SE of coverage"] = groups["coverage"].sem()
    print(f"landmark {arguments.landmark}, {arguments.repetitions} repetitions")
    print(summary.sort_index(level=["truth", "n"], sort_remaining=False).to_string(float_format=lambda x: f"{x:.3f}"))


if __name__ == "__main__":
    main()
