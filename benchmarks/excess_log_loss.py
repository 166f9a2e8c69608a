"""How far from the truth is the committee, beside learners that others would use? Excess log-loss, known truths.

    .venv/bin/python benchmarks/excess_log_loss.py [--truths simulator] [--landmark 24h]
        [--sizes 100,200,500,1000] [--repetitions 20] [--learners ...] [--workers -1]

Excess log-loss: mean over new patients of p log(p / q) + (1 - p) log((1 - p) / (1 - q)), p the true probability
given what the table holds by the landmark and q the prediction: the expected log-loss less that of the truth.
0 is perfect; outcomes of the new patients are not used and add no noise. p itself is known but for the error of
its integration (of the simulator about 0.002; of the worlds 0.02 at worst, at `pre`, which adds under 0.001 to all
learners alike).

New patients: of the simulator 20,000, drawn once; of a world of `known_truth` 2,000 for each repetition, with
effects drawn anew. All that have the landmark's score count, whether or not they stop later. n is the size of the
cohort; a learner is fitted to those of its courses that have the landmark's score and an outcome, in the simulator
about 86% at 24h. The simulator's courses are spread over many sites (`truths`), since the truth averages sites out.

All learners read the same features (early improvements, their slope, relative scores, logarithms of skewed
counts...), of which the committee's end-score member also uses the end score itself, and the same new patients.
Trees and the EBM handle missing values themselves; the others get means and indicators of missingness, and all
columns standardised. All choices are made within the training courses, by the log-loss:

* `prevalence`: the training rate, as the mark to beat.
* `XGBoost, default`: XGBClassifier().
* `XGBoost, tuned`: the best of 30 random settings of depth (1-6), eta (0.01-0.3), min_child_weight (1-20), subsample
  (0.5-1), colsample_bytree (0.3-1) and reg_lambda (0.1-100), each with its best number of trees (up to 1,000,
  stopped after 30 without gain in the mean over folds), by 5-fold cross-validation.
* `ridge logistic`, `elastic net`: LogisticRegressionCV, 5 folds, 15 penalties; l1_ratio 0; and 0.1, 0.5, 0.9, 1.
* `random forest`: 500 trees, smallest leaf of 5, 10 or 20 by the out-of-bag log-loss.
* `EBM, main effects`, `EBM, default`: interpret's ExplainableBoostingClassifier without and with interactions.
  Left out, and said so, where `interpret` is not installed (`make bench-truth` brings it). The default one takes
  more time than all others together and only runs where it is named: --learners "EBM, default", names apart by
  semicolons, or --learners all. The committee always runs, with the package's prior as `train` does by default (in
  which the simulator has a part, and no other truth) and without it; the same number names the same cohort always.

A peer is called better where the committee's excess log-loss less its own is above one standard error over
repetitions; with seven or eight peers and four sizes some will be by chance even if none is.
"""

import argparse
import importlib.util
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import special
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from truths import OUTCOME, SIMULATOR, TRUTHS, NewPatients, new_patients, training_cohort
from xgboost import DMatrix, XGBClassifier, cv, train

from ketapredict.features.design import THRESHOLD
from ketapredict.model.committee import fit_committee
from ketapredict.model.fit import training_data
from ketapredict.model.members import TrainingData
from ketapredict.model.prior import read_prior
from ketapredict.validate.measures import log_loss

SEED = 20261126
NEW = {SIMULATOR: 20_000}
NEW_OF_A_WORLD = 2_000
N_FOLDS = 5
XGBOOST_SETTINGS = 30
MOST_TREES = 1000
ROUNDS_WITHOUT_GAIN = 30
SMALLEST_LEAVES = (5, 10, 20)
PENALTIES = np.geomspace(1e-4, 10, 15)
L1_RATIOS = (0.1, 0.5, 0.9, 1.0)
COMMITTEE, WITHOUT = "committee", "committee without the prior"
SMALLEST = 1e-15  # as in `measures.log_loss`

Matrix = np.ndarray
Learner = Callable[[Matrix, np.ndarray, Matrix, int], np.ndarray]


def prevalence(_: Matrix, y: np.ndarray, X_new: Matrix, __: int) -> np.ndarray:
    """Return the training rate for everyone."""
    return np.full(len(X_new), y.mean())


def default_xgboost(X: Matrix, y: np.ndarray, X_new: Matrix, seed: int) -> np.ndarray:
    """Return probabilities of XGBoost as it comes."""
    return XGBClassifier(n_jobs=1, random_state=seed).fit(X, y).predict_proba(X_new)[:, 1]


def tuned_xgboost(X: Matrix, y: np.ndarray, X_new: Matrix, seed: int, n_settings: int = XGBOOST_SETTINGS) -> np.ndarray:
    """Return probabilities of the best of random settings, each with its best number of trees."""
    rng = np.random.default_rng(seed)
    data = DMatrix(X, y, nthread=1)
    splits = list(_folds(seed).split(X, y))
    best: tuple[float, dict[str, object], int] = (np.inf, {}, 0)
    for _ in range(n_settings):
        setting = {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "nthread": 1,
            "seed": seed,
            "max_depth": int(rng.integers(1, 7)),
            "eta": float(np.exp(rng.uniform(np.log(0.01), np.log(0.3)))),
            "min_child_weight": float(np.exp(rng.uniform(0, np.log(20)))),
            "subsample": float(rng.uniform(0.5, 1)),
            "colsample_bytree": float(rng.uniform(0.3, 1)),
            "reg_lambda": float(np.exp(rng.uniform(np.log(0.1), np.log(100)))),
        }
        path = cv(
            setting, data, MOST_TREES, folds=splits, metrics="logloss", early_stopping_rounds=ROUNDS_WITHOUT_GAIN
        )["test-logloss-mean"]
        if path.min() < best[0]:
            best = (float(path.min()), setting, int(path.argmin()) + 1)
    return train(best[1], data, best[2]).predict(DMatrix(X_new, nthread=1))


def ridge(X: Matrix, y: np.ndarray, X_new: Matrix, seed: int) -> np.ndarray:
    """Return probabilities of a ridge logistic regression."""
    return _logistic(X, y, X_new, seed, (0.0,), solver="lbfgs", max_iter=5000)


def elastic_net(X: Matrix, y: np.ndarray, X_new: Matrix, seed: int) -> np.ndarray:
    """Return probabilities of a logistic regression with the elastic net."""
    return _logistic(X, y, X_new, seed, L1_RATIOS, solver="saga", max_iter=1000, tol=1e-3)


def random_forest(X: Matrix, y: np.ndarray, X_new: Matrix, seed: int) -> np.ndarray:
    """Return probabilities of the forest whose smallest leaf is best out of bag."""
    forests = []
    for leaf in SMALLEST_LEAVES:
        forest = RandomForestClassifier(500, min_samples_leaf=leaf, oob_score=True, n_jobs=1, random_state=seed)
        forest.fit(X, y)
        forests.append((log_loss(y, np.clip(forest.oob_decision_function_[:, 1], 0, 1)), -leaf, forest))
    return min(forests)[2].predict_proba(X_new)[:, 1]


def ebm_main(X: Matrix, y: np.ndarray, X_new: Matrix, seed: int) -> np.ndarray:
    """Return probabilities of an EBM without interactions."""
    return _ebm(X, y, X_new, seed, interactions=0)


def ebm_default(X: Matrix, y: np.ndarray, X_new: Matrix, seed: int) -> np.ndarray:
    """Return probabilities of an EBM as it comes."""
    return _ebm(X, y, X_new, seed)


PEERS: dict[str, Learner] = {
    "prevalence": prevalence,
    "XGBoost, default": default_xgboost,
    "XGBoost, tuned": tuned_xgboost,
    "ridge logistic": ridge,
    "elastic net": elastic_net,
    "random forest": random_forest,
    "EBM, main effects": ebm_main,
    "EBM, default": ebm_default,
}
UNLESS_NAMED = ("EBM, default",)


def committee(data: TrainingData, new: pd.DataFrame, seed: int) -> np.ndarray:
    """Return probabilities of the committee, from the pipelines of its members."""
    rows = len(new)
    unknown = np.zeros(rows)
    log_odds = fit_committee(data, np.random.default_rng(seed)).log_odds(
        TrainingData(new, data.features, unknown, unknown, np.arange(rows), np.ones(rows))
    )
    return special.expit(log_odds)


def excess(p: np.ndarray, q: np.ndarray) -> float:
    """Return the mean Kullback-Leibler divergence of predicted from true probabilities, nats."""
    q = np.clip(q, SMALLEST, 1 - SMALLEST)
    return float((special.rel_entr(p, q) + special.rel_entr(1 - p, 1 - q)).mean())


def repetition(
    truth: str, n: int, number: int, landmark: str, learners: tuple[str, ...], shared: NewPatients | None, n_new: int
) -> list[dict[str, object]]:
    """Fit every learner to one training cohort; return one row for each."""
    seed = (SEED, number)
    new = shared or new_patients(truth, n_new, seed, landmark)
    data = training_data(training_cohort(truth, n, seed, landmark), landmark, OUTCOME, evidence=read_prior(OUTCOME))
    X = data.frame.drop(columns=THRESHOLD).to_numpy(float)
    X_new = new.frame.drop(columns=THRESHOLD).to_numpy(float)
    rows = []
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        for name in (COMMITTEE, WITHOUT, *learners):
            start = time.process_time()
            if name in (COMMITTEE, WITHOUT):
                q = committee(data if name == COMMITTEE else replace(data, prior=None), new.frame, number)
            else:
                q = PEERS[name](X, data.labels, X_new, number)
            row: dict[str, object] = {"truth": truth, "n": n, "number": number, "learner": name}
            row |= {"seconds": time.process_time() - start, "excess": excess(new.probability, np.asarray(q, float))}
            rows.append(row | {"trained on": len(data.labels)})
    return rows


def table_of(found: pd.DataFrame) -> str:
    """Return a table for a document: excess log-loss, and the committee's less each peer's, in thousandths."""
    lines = [
        "| truth | n | learner | excess log-loss x 1000 (SE) | committee minus it (SE) | CPU s |",
        "|---|---|---|---|---|---|",
    ]
    for (truth, n, learner), part in found.groupby(["truth", "n", "learner"], sort=False):
        values, difference = 1000 * part["excess"], 1000 * part["difference"]
        against = "" if learner == COMMITTEE else f"{difference.mean():+.1f} ({difference.sem():.1f})"
        seconds = part["seconds"].mean()
        lines.append(
            f"| {truth} | {n} | {learner} | {values.mean():.1f} ({values.sem():.1f}) | {against} | {seconds:.1f} |"
        )
    return "\n".join(lines)


def verdicts(found: pd.DataFrame) -> list[str]:
    """Say for each truth and size which peers are better than the committee beyond their standard error."""
    lines = []
    for (truth, n), part in found.groupby(["truth", "n"], sort=False):
        better = []
        for learner, values in part[part["learner"] != COMMITTEE].groupby("learner", sort=False)["difference"]:
            if values.mean() > values.sem():
                better.append(f"{learner} by {values.mean():.4f} (SE {values.sem():.4f})")
        lines.append(f"{truth}, n = {n}: " + ("better: " + "; ".join(better) if better else "no peer is better"))
    return lines


def _logistic(
    X: Matrix, y: np.ndarray, X_new: Matrix, seed: int, l1_ratios: tuple[float, ...], **solver: object
) -> Matrix:
    model = make_pipeline(
        SimpleImputer(add_indicator=True, keep_empty_features=True),
        StandardScaler(),
        LogisticRegressionCV(
            Cs=PENALTIES, l1_ratios=l1_ratios, scoring="neg_log_loss", cv=_folds(seed), random_state=seed,
            use_legacy_attributes=False, **solver,
        ),
    )  # fmt: skip
    return model.fit(X, y).predict_proba(X_new)[:, 1]


def _ebm(X: Matrix, y: np.ndarray, X_new: Matrix, seed: int, **options: object) -> np.ndarray:
    from interpret.glassbox import ExplainableBoostingClassifier

    return ExplainableBoostingClassifier(n_jobs=1, random_state=seed, **options).fit(X, y).predict_proba(X_new)[:, 1]


def _folds(seed: int) -> StratifiedKFold:
    return StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)


def _chosen(named: str) -> tuple[str, ...]:
    """Return the peers that are asked for and can be had; say which cannot."""
    if named == "all":
        names = list(PEERS)
    elif named:
        names = [name.strip() for name in named.split(";") if name.strip() != COMMITTEE]
    else:
        names = [name for name in PEERS if name not in UNLESS_NAMED]
        print(f"Not run unless named, for the time: {', '.join(UNLESS_NAMED)}")
    if unknown := [name for name in names if name not in PEERS]:
        raise SystemExit(f"expected learners out of {'; '.join(PEERS)}; found {'; '.join(unknown)}")
    without = [name for name in names if name.startswith("EBM")]
    if without and importlib.util.find_spec("interpret") is None:
        print(f"Left out, since interpret is not installed (see `make bench-truth`): {', '.join(without)}")
        names = [name for name in names if name not in without]
    return tuple(names)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truths", default=SIMULATOR, help=f"apart by commas, out of {', '.join(TRUTHS)}")
    parser.add_argument("--landmark", default="24h")
    parser.add_argument("--sizes", default="100,200,500,1000")
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--learners", default="", help="peers apart by semicolons, or all")
    parser.add_argument("--new", type=int, help="new patients")
    parser.add_argument("--workers", type=int, default=-1)
    arguments = parser.parse_args()

    if arguments.repetitions < 2:
        parser.error("expected at least two repetitions: there is no standard error from one")
    start = time.monotonic()
    learners = _chosen(arguments.learners)
    truths = arguments.truths.split(",")
    sizes = [int(n) for n in arguments.sizes.split(",")]
    n_new = {truth: arguments.new or NEW.get(truth, NEW_OF_A_WORLD) for truth in truths}
    shared: dict[str, NewPatients] = {}
    if SIMULATOR in truths:
        shared[SIMULATOR] = new_patients(SIMULATOR, n_new[SIMULATOR], (SEED, 0), arguments.landmark)
    # The large ones first, so that no worker is left alone with one at the end.
    cells = [
        (truth, n, number)
        for n in sorted(sizes, reverse=True)
        for number in range(1, arguments.repetitions + 1)
        for truth in truths
    ]
    jobs = (
        delayed(repetition)(*cell, arguments.landmark, learners, shared.get(cell[0]), n_new[cell[0]]) for cell in cells
    )
    rows: list[dict[str, object]] = []
    for done, found in enumerate(Parallel(n_jobs=arguments.workers, return_as="generator")(jobs), 1):
        rows += found
        print(f"\r{done} of {len(cells)} cohorts, {(time.monotonic() - start) / 60:.1f} min", end="", file=sys.stderr)
    print(file=sys.stderr)
    table = pd.DataFrame(rows)
    table["order"] = table["truth"].map(truths.index)
    table = table.sort_values(["order", "n"], kind="stable")
    of_committee = table[table["learner"] == COMMITTEE].set_index(["truth", "n", "number"])["excess"]
    table["difference"] = of_committee.loc[
        list(zip(table["truth"], table["n"], table["number"], strict=True))
    ].to_numpy()
    table["difference"] -= table["excess"]
    counts = table.groupby(["truth", "n"], sort=False)["trained on"].mean()
    trained = ", ".join(f"{truth} n = {n}: {mean:.0f}" for (truth, n), mean in counts.items())
    print(f"landmark {arguments.landmark}, {arguments.repetitions} repetitions; courses trained on, mean: {trained}\n")
    print(f"{table_of(table)}\n")
    print("Better than the committee, by more than one standard error over repetitions:")
    print("\n".join(verdicts(table)))


if __name__ == "__main__":
    main()
