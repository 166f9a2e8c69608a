"""Do 90% intervals of the probability hold the true probability? Methods beside each other on known truths.

    .venv/bin/python benchmarks/interval_coverage.py [--worlds logistic,curved,sparse,null,simulator]
        [--landmark 24h] [--sizes 100,200,500] [--repetitions 20] [--bootstrap 0] [--json FILE]

The truths are those of `known_truth` and, as `simulator`, `ketapredict simulate` itself: a clinic's courses, of many
sites, since the known truth averages the effect of a site. With --json the coverage of `ketapredict` is written to a
file; the package's own, `data/interval-coverage.json`, stands on every model card.

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
import json
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
from ketapredict.cohort.protocols import DEFAULT_PROTOCOL, PRE, load_protocol
from ketapredict.cohort.read import cohort_from_frame
from ketapredict.explain.contributions import contributions
from ketapredict.features.design import design_frame, threshold_feature
from ketapredict.model.committee import FittedCommittee, fit_committee
from ketapredict.model.fit import fit_landmark, training_data
from ketapredict.model.members import TrainingData
from ketapredict.model.prior import read_prior
from ketapredict.model.uncertainty import NORMAL_QUANTILE
from ketapredict.simulate import Scenario, simulate_cohort, simulate_with_truth

SEED = 20261123
NEW_COURSES = 1000
LESS_SHRUNKEN = 0.25
SIMULATOR = "simulator"
COURSES_PER_SITE = 10
PROTOCOL = load_protocol(DEFAULT_PROTOCOL)

Intervals = dict[str, tuple[np.ndarray, np.ndarray]]
Pair = tuple[Cohort, Cohort, np.ndarray]


def intervals(train: Cohort, new: Cohort, landmark: str, n_bootstrap: int, seed: int) -> Intervals:
    """Return lower and upper ends for the new courses by every method."""
    data = training_data(train, landmark, "response", evidence=read_prior("response"))
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
        draw = simulated_pair if world == SIMULATOR else drawn_pair
        train, new, truth = draw(world, n, number, arguments.landmark)
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


def simulated_pair(_: str, n: int, number: int, landmark: str) -> Pair:
    """Simulate a training cohort and new courses with their truth."""
    sites = max(n // COURSES_PER_SITE, 2)
    train = cohort_from_frame(simulate_cohort(n, SEED + 2 * number, PROTOCOL, n_sites=sites), PROTOCOL)
    clinics = Scenario(PROTOCOL, n_sites=NEW_COURSES // COURSES_PER_SITE)
    table, hidden = simulate_with_truth(clinics, NEW_COURSES, SEED + 2 * number + 1)
    new = cohort_from_frame(table, PROTOCOL)
    if landmark != PRE:
        new = new.subset(new.table[f"score_{landmark}"].notna().to_numpy())
    truth = hidden.set_index("course_id")[f"response_at_{landmark}"]
    return train, new, truth.loc[new.table["course_id"]].to_numpy(float)


def write_json(path: Path, summary: pd.DataFrame, arguments: argparse.Namespace) -> None:
    """Write what a model card shows."""
    found = summary.xs("ketapredict", level="method").reset_index()
    names = {"coverage": "overall", "lowest third": "low", "middle third": "middle", "highest third": "high"}
    names |= {"width": "width", "interval score": "score"}
    # Where all courses have the same truth there are no thirds.
    rows = [
        {"truth": row["truth"], "courses": int(row["n"])}
        | {short: round(row[name], 3) if np.isfinite(row[name]) else None for name, short in names.items()}
        for _, row in found.iterrows()
    ]
    command = (
        f"benchmarks/interval_coverage.py --worlds {arguments.worlds} --landmark {arguments.landmark} "
        f"--sizes {arguments.sizes} --repetitions {arguments.repetitions}"
    )
    content = {"command": command, "landmark": arguments.landmark, "repetitions": arguments.repetitions, "rows": rows}
    path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", default=",".join((*WORLDS, SIMULATOR)))
    parser.add_argument("--landmark", default="24h")
    parser.add_argument("--sizes", default="100,200,500")
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--bootstrap", type=int, default=0)
    parser.add_argument("--workers", type=int, default=-1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()

    worlds = arguments.worlds.split(",")
    sizes = [int(n) for n in arguments.sizes.split(",")]
    jobs = [(world, n, number) for number in range(arguments.repetitions) for n in sizes for world in worlds]
    found = Parallel(n_jobs=arguments.workers)(delayed(repetition)(arguments, *job) for job in jobs)
    table = pd.DataFrame([row for rows in found for row in rows])
    groups = table.groupby(["truth", "n", "method"], sort=False)
    summary = groups.mean()
    summary["SE of coverage"] = groups["coverage"].sem()
    print(f"landmark {arguments.landmark}, {arguments.repetitions} repetitions")
    summary = summary.sort_index(level=["truth", "n"], sort_remaining=False)
    print(summary.to_string(float_format=lambda x: f"{x:.3f}"))
    if arguments.json:
        write_json(arguments.json, summary, arguments)


if __name__ == "__main__":
    main()
