"""The prior in clinics that are not those it was made for: excess log-loss on simulated courses of altered worlds.

    .venv/bin/python benchmarks/altered_clinics.py [--worlds 12] [--sizes 40,80,150,300,1000] [--landmark 24h]
        [--useless] [--workers -1]

The package's prior comes in part from the simulator. Here each clinic is simulated by another one, drawn anew from what
the evidence leaves open: the early-to-end correlation from 0.3 to 0.8, the share of courses without any response 22 to
34% and of robust ones 28 to 45%, every covariate's effect multiplied by 0 to 2, setting clinic or trial. The truth of
each is known. With --useless the early scores are those of other courses with the same baseline (permuted as shares of
it): they say nothing of the outcome, though the prior says they do.

Excess log-loss as in `excess_log_loss`, on 4,000 new courses of the same clinic with the landmark's score; a
learner is fitted to the n courses that have it and an outcome. Committee: the default, which starts from the prior.
Beside it the committee without the prior, a ridge logistic regression (5-fold cross-validated penalty), the prevalence,
and, unfitted, the evidence model of the package. With fewer than 10 events of either class among the n courses the
committee is what `train` then gives, the evidence model with its rate moved; with fewer than 5 the clinic is left out,
since ridge's folds would lack a class.
"""

import argparse
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd
from excess_log_loss import PEERS, committee, excess
from joblib import Parallel, delayed
from scipy import special
from scipy.stats import norm
from threadpoolctl import threadpool_limits
from truths import OUTCOME, seed_of

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.cohort.protocols import BUILT_IN, PRE
from ketapredict.cohort.read import cohort_from_frame
from ketapredict.features.design import THRESHOLD, design_frame, features_at, threshold_feature
from ketapredict.model.evidence_only import with_moved_rate
from ketapredict.model.fit import FEWEST_EVENTS, training_data
from ketapredict.model.prior import read_prior
from ketapredict.model.uncertainty import probability_interval
from ketapredict.response_model import ResponseModel
from ketapredict.simulate import Scenario, classes, effects, model, simulate_with_truth

SEED = 20261127
PROTOCOL = BUILT_IN["induction-course"]
NEW_COURSES = 4_000
CORRELATIONS, SHARES_NONE, SHARES_ROBUST, MULTIPLES = (0.3, 0.8), (0.22, 0.34), (0.28, 0.45), (0.0, 2.0)
WITH, WITHOUT, UNFITTED = "committee", "committee without the prior", "evidence model, unfitted"
FEWEST_FOR_FOLDS = 5
COVERAGE = "coverage"
OTHERS = ("ridge logistic", "prevalence")


@contextmanager
def altered_world(rng: np.random.Generator) -> Iterator[Scenario]:
    """Give a scenario, with the simulator's effects and classes drawn anew while it is used."""
    was, cuts = dict(effects.EFFECTS), classes._CUTS.copy()  # the simulator offers no such options, on purpose
    effects.EFFECTS.update({name: value * rng.uniform(*MULTIPLES) for name, value in was.items()})
    none, robust = rng.uniform(*SHARES_NONE), rng.uniform(*SHARES_ROBUST)
    at = [norm.ppf(none), norm.ppf(1 - robust), norm.ppf(1 - robust / 2)]
    classes._CUTS[:] = np.array(at) * classes._REFERENCE_SPREAD
    _forget()
    try:
        setting = ("clinic", "trial")[int(rng.integers(2))]
        yield Scenario(protocol=PROTOCOL, early_end_correlation=float(rng.uniform(*CORRELATIONS)), setting=setting)
    finally:
        effects.EFFECTS.update(was)
        classes._CUTS[:] = cuts
        _forget()


def _forget() -> None:
    effects._reference.cache_clear()
    model.model_of.cache_clear()


def drawn(scenario: Scenario, n: int, seed: tuple[int, ...], *, useless: bool) -> tuple[Cohort, pd.DataFrame]:
    """Return n courses and their truth, in the same order."""
    scenario = replace(scenario, n_sites=max(20, n // 5))
    table, hidden = simulate_with_truth(scenario, n, seed_of(*seed, n))
    cohort = cohort_from_frame(table, scenario.protocol)
    if useless:
        others = np.random.default_rng([*seed, n, 9]).permutation(len(cohort))
        changed = cohort.table.copy()
        baseline = changed["score_baseline"].to_numpy(float)
        for name in (f"score_{point.name}" for point in PROTOCOL.time_points if point.name != PROTOCOL.outcome):
            share = changed[name].to_numpy(float)[others] / baseline[others]
            changed[name] = np.clip(np.round(share * baseline), 0, 60)
        cohort = replace(cohort, courses=CourseColumns.of_table(changed))
    by_id = hidden.assign(course_id=hidden["course_id"].astype(str)).set_index("course_id")
    return cohort, by_id.loc[cohort.table["course_id"].astype(str)]


def one_world(number: int, sizes: tuple[int, ...], landmark: str, *, useless: bool) -> list[dict[str, object]]:
    """Return one row for each size and learner."""
    rows: list[dict[str, object]] = []
    prior = read_prior(OUTCOME)
    evidence = ResponseModel.load(f"evidence/{PROTOCOL.name}")
    with altered_world(np.random.default_rng([SEED, number])) as scenario:
        new, hidden = drawn(scenario, NEW_COURSES, (SEED, number, 2), useless=useless)
        scored = new.table[f"score_{landmark}"].notna().to_numpy() if landmark != PRE else np.ones(len(new), bool)
        new = new.subset(scored)
        # Permuted scores say nothing: the truth is that of the baseline.
        p = hidden[f"{OUTCOME}_at_{PRE if useless else landmark}"].to_numpy(float)[scored]
        features = (*features_at(landmark, PROTOCOL, new.extras), threshold_feature(OUTCOME, landmark))
        frame = design_frame(new, features, OUTCOME)
        unfitted = evidence.bundle.landmarks[evidence.landmarks.index(landmark)]
        for n in sizes:
            cohort, _ = drawn(scenario, n, (SEED, number, 1), useless=useless)
            data = training_data(cohort, landmark, OUTCOME, evidence=prior)
            rarer = min(data.labels.sum(), (1 - data.labels).sum())
            if rarer < FEWEST_FOR_FOLDS:
                continue
            X, X_new = (f.drop(columns=THRESHOLD).to_numpy(float) for f in (data.frame, frame))
            with threadpool_limits(1), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if rarer < FEWEST_EVENTS:
                    found = {WITH: special.expit(with_moved_rate(unfitted, data, prior).independent_log_odds(frame))}
                else:
                    found = {WITH: committee(data, frame, number)}
                found[WITHOUT] = committee(replace(data, prior=None), frame, number)
                found |= {name: np.asarray(PEERS[name](X, data.labels, X_new, number), float) for name in OTHERS}
            log_odds = unfitted.independent_log_odds(frame)
            found[UNFITTED] = special.expit(log_odds)
            low, high = probability_interval(*unfitted.uncertainty.log_odds(unfitted.centred_design(frame)), log_odds)
            held = float(((low <= p) & (p <= high)).mean())
            rows.append({"n": n, "number": number, "learner": COVERAGE, "excess": held})
            rows += [{"n": n, "number": number, "learner": name, "excess": excess(p, q)} for name, q in found.items()]
    return rows


def table_of(found: pd.DataFrame) -> str:
    """Return a table for a document, in thousandths of a nat."""
    lines = [
        "| n | clinics | learner | excess log-loss x 1000 (SE) | committee minus it (SE) |",
        "|---|---|---|---|---|",
    ]
    for n, part in found.groupby("n"):
        wide = 1000 * part.pivot_table(index="number", columns="learner", values="excess")
        for name in (WITH, WITHOUT, *OTHERS, UNFITTED):
            difference = wide[WITH] - wide[name]
            against = "" if name == WITH else f"{difference.mean():+.1f} ({difference.sem():.1f})"
            lines.append(
                f"| {n} | {len(wide)} | {name} | {wide[name].mean():.1f} ({wide[name].sem():.1f}) | {against} |"
            )
    held = found[found["learner"] == COVERAGE].groupby("number")["excess"].first()
    worst = ", ".join(f"{share:.2f}" for share in sorted(held)[:3])
    lines.append(
        f"\nThe evidence model's 90% intervals hold the true probability in {held.mean():.2f} of the new courses; in"
    )
    lines.append(f"the three clinics where they do so least, in {worst}.")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=12)
    parser.add_argument("--sizes", default="40,80,150,300,1000")
    parser.add_argument("--landmark", default="24h", choices=PROTOCOL.landmarks)
    parser.add_argument("--useless", action="store_true", help="early scores that say nothing")
    parser.add_argument("--workers", type=int, default=-1)
    arguments = parser.parse_args()
    sizes = tuple(int(n) for n in arguments.sizes.split(","))
    jobs = (
        delayed(one_world)(number, sizes, arguments.landmark, useless=arguments.useless)
        for number in range(1, arguments.worlds + 1)
    )
    rows = [row for part in Parallel(n_jobs=arguments.workers)(jobs) for row in part]
    print(table_of(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
