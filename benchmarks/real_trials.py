"""The committee with and without the evidence prior, beside simpler and more usual learners, on two small real trials.

    .venv/bin/python benchmarks/real_trials.py [--realdata DIR] [--repeats 10] [--subsamples 40] [--workers -1]

All learners on the same courses. At full size: 10 x 5-fold cross-validation. Subsamples (30 and 40 courses of the drug
arms; 60 and 90 of dia with both arms, of which the arm then is a feature): that many courses are drawn, stratified by
outcome, as many times as asked for; the learners are fitted to them and meet the courses that were not drawn.

The prior comes from the other trial, the simulator and the published effects; never from the trial under test.
Prevalence: the rate of the training courses. Early improvement alone: logistic regression on the latest early
improvement. Ridge logistic: all features, penalty by 5-fold cross-validation. XGBoost: default settings, all features.

Printed: out-of-fold log-loss and AUC; for each learner the log-loss of the committee (with the prior) minus its own,
with the standard error over courses (each course counts once, with its mean over repeats or draws). Subsamples of one
trial share its few courses: their standard errors are those of the trial's courses, not of the draws.
"""

import argparse
import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.special import expit
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

from ketapredict.cohort.cohort import Cohort
from ketapredict.features.design import THRESHOLD
from ketapredict.model.committee import fit_committee
from ketapredict.model.fit import training_data
from ketapredict.model.folds import Fold, repeated_folds
from ketapredict.model.members import TrainingData
from ketapredict.model.prior import EvidencePrior
from ketapredict.prior.derive import Simulated, derive, open_trials, simulated_cohorts
from ketapredict.validate.comparators import one_number_log_odds
from ketapredict.validate.cross_validation import EARLY_ONLY
from ketapredict.validate.measures import auc

ROOT = Path(__file__).resolve().parents[1]
LANDMARKS = ("w1", "w2")
SEED = 20261122
OURS, WITHOUT = "committee", "committee without the prior"
SUBSAMPLES = {False: (30, 40), True: (60, 90)}


def fold_log_odds(data: TrainingData, train: np.ndarray, test: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Return the log-odds of the test courses by every learner; the prior is that of the data."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = data.labels[train]
        X = data.frame.drop(columns=THRESHOLD)
        latest = [feature.name for feature in data.features if feature.rule == "early_improvement"][-1]
        ridge = make_pipeline(
            SimpleImputer(keep_empty_features=True),
            StandardScaler(),
            LogisticRegressionCV(
                Cs=np.geomspace(1e-3, 10, 13), l1_ratios=(0,), scoring="neg_log_loss", cv=5, max_iter=5000,
                use_legacy_attributes=False,
            ),
        )  # fmt: skip
        early = X[latest].to_numpy()
        boosting = XGBClassifier(n_jobs=1, random_state=seed)
        return {
            OURS: _committee(data, train, test, seed),
            WITHOUT: _committee(replace(data, prior=None), train, test, seed),
            "prevalence": np.full(len(test), np.log(y.mean() / (1 - y.mean()))),
            EARLY_ONLY: one_number_log_odds(y, early[train], early[test]),
            "ridge logistic": ridge.fit(X.iloc[train], y).decision_function(X.iloc[test]),
            "XGBoost, default": boosting.fit(X.iloc[train], y).predict(X.iloc[test], output_margin=True),
        }


def _committee(data: TrainingData, train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    return fit_committee(data.rows(train), np.random.default_rng(seed)).log_odds(data.rows(test))


def compare(data: TrainingData, splits: list[Fold], workers: int = -1) -> pd.DataFrame:
    """Return one row per learner."""
    seeds = np.random.default_rng(SEED).integers(2**31, size=len(splits))
    found = Parallel(n_jobs=workers)(
        delayed(fold_log_odds)(data, train, test, int(seed))
        for (_, train, test), seed in zip(splits, seeds, strict=True)
    )
    n = len(data.labels)
    times = np.zeros(n)
    losses = {name: np.zeros(n) for name in found[0]}
    probabilities = {name: np.zeros(n) for name in found[0]}
    for (_, _, test), by_learner in zip(splits, found, strict=True):
        times[test] += 1
        for name, log_odds in by_learner.items():
            y = data.labels[test]
            losses[name][test] += np.logaddexp(0, log_odds) - y * log_odds
            probabilities[name][test] += expit(log_odds)
    met = times > 0
    labels = data.labels[met]
    mean_loss = {name: loss[met] / times[met] for name, loss in losses.items()}
    rows = []
    for name, loss in mean_loss.items():
        difference = mean_loss[OURS] - loss
        ranked = 0.5 if name == "prevalence" else auc(labels, (probabilities[name][met] / times[met]).clip(0, 1))
        error = difference.std(ddof=1) / np.sqrt(met.sum())
        rows.append((name, loss.mean(), ranked, difference.mean(), error))
    return pd.DataFrame(rows, columns=["learner", "log-loss", "AUC", "committee minus it", "standard error"])


def subsamples(labels: np.ndarray, size: int, draws: int) -> list[Fold]:
    """Return drawn courses and the others, with at least ten of either class drawn where the trial has them."""
    splitter = StratifiedShuffleSplit(draws, train_size=size, random_state=SEED)
    return [(k, train, test) for k, (train, test) in enumerate(splitter.split(labels[:, None], labels))]


def prior_without(trials: dict[str, Cohort], left_out: str, simulated: Simulated) -> EvidencePrior:
    """Return the prior that a trial has no part in."""
    others = {name: cohort for name, cohort in trials.items() if name != left_out}
    return EvidencePrior.from_plain(derive(others, simulated), "response", "")


def main() -> None:
    """Print a table per trial, size and landmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("KETAPREDICT_REALDATA", ROOT.parent / "shared" / "realdata")
    parser.add_argument("--realdata", type=Path, default=Path(default))
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--subsamples", type=int, default=40, help="draws of each size; 0 for full size only")
    parser.add_argument("--workers", type=int, default=-1)
    arguments = parser.parse_args()
    trials, simulated = open_trials(arguments.realdata), simulated_cohorts()
    for trial, cohort in trials.items():
        prior = prior_without(trials, trial, simulated)
        arms = (False, True) if not cohort.active.all() else (False,)
        for all_arms in arms:
            courses = cohort if all_arms else cohort.subset(cohort.active)
            for landmark in LANDMARKS:
                data = training_data(courses, landmark, "response", with_arm=all_arms, evidence=prior)
                labels = data.labels
                print(
                    f"\n{trial}, {'both arms' if all_arms else 'active arm'}, landmark {landmark}: "
                    f"{len(labels)} courses, {int(labels.sum())} responders"
                )
                rng = np.random.default_rng(SEED)
                folds = repeated_folds(labels, data.patients, 5, arguments.repeats, rng)
                sizes = SUBSAMPLES[all_arms] if arguments.subsamples else ()
                drawn = {f"{n} courses, {arguments.subsamples} draws": n for n in sizes}
                for name, splits in {
                    f"full size, {arguments.repeats} x 5-fold": folds,
                    **{name: subsamples(labels, n, arguments.subsamples) for name, n in drawn.items()},
                }.items():
                    table = compare(data, splits, arguments.workers)
                    print(f"\n{name}\n{table.to_string(index=False, float_format=lambda x: f'{x:.4f}')}")


if __name__ == "__main__":
    main()
