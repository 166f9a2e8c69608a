"""The committee beside simpler and more usual learners on two small real trials, on the same folds.

    .venv/bin/python benchmarks/real_trials.py [--realdata DIR] [--repeats 10]

Prints out-of-fold log-loss (mean over courses of the mean over repeats) and AUC, and for each learner the
committee's log-loss minus its own with the paired standard error over courses. Prevalence: the rate of the
training fold. Early improvement alone: logistic regression on the latest early improvement. Ridge logistic:
all features, penalty by 5-fold cross-validation. XGBoost: default settings, all features.
"""

import argparse
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.special import expit
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

from ketapredict.cohort.read import read_cohort
from ketapredict.features.design import THRESHOLD
from ketapredict.model.committee import fit_committee
from ketapredict.model.fit import training_data
from ketapredict.model.folds import repeated_folds
from ketapredict.model.members import TrainingData
from ketapredict.prior.derive import OPEN_TRIALS as TRIALS
from ketapredict.validate.comparators import one_number_log_odds
from ketapredict.validate.cross_validation import EARLY_ONLY
from ketapredict.validate.measures import auc

ROOT = Path(__file__).resolve().parents[1]
LANDMARKS = ("w1", "w2")
SEED = 20261122


def fold_log_odds(data: TrainingData, train: np.ndarray, test: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Return the log-odds of the test courses by every learner."""
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
            "committee": fit_committee(data.rows(train), np.random.default_rng(seed)).log_odds(data.rows(test)),
            "prevalence": np.full(len(test), np.log(y.mean() / (1 - y.mean()))),
            EARLY_ONLY: one_number_log_odds(y, early[train], early[test]),
            "ridge logistic": ridge.fit(X.iloc[train], y).decision_function(X.iloc[test]),
            "XGBoost, default": boosting.fit(X.iloc[train], y).predict(X.iloc[test], output_margin=True),
        }


def compare(data: TrainingData, repeats: int) -> pd.DataFrame:
    """Return one row per learner."""
    rng = np.random.default_rng(SEED)
    folds = repeated_folds(data.labels, data.patients, 5, repeats, rng)
    seeds = rng.integers(2**31, size=len(folds))
    found = Parallel(n_jobs=-1)(
        delayed(fold_log_odds)(data, train, test, int(seed))
        for (_, train, test), seed in zip(folds, seeds, strict=True)
    )
    n = len(data.labels)
    losses = {name: np.zeros(n) for name in found[0]}
    probabilities = {name: np.zeros(n) for name in found[0]}
    for (_, _, test), by_learner in zip(folds, found, strict=True):
        for name, log_odds in by_learner.items():
            y = data.labels[test]
            losses[name][test] += (np.logaddexp(0, log_odds) - y * log_odds) / repeats
            probabilities[name][test] += expit(log_odds) / repeats
    rows = []
    for name, loss in losses.items():
        difference = losses["committee"] - loss
        rows.append(
            {
                "learner": name,
                "log-loss": loss.mean(),
                "AUC": 0.5 if name == "prevalence" else auc(data.labels, probabilities[name]),
                "committee minus": difference.mean(),
                "standard error": difference.std(ddof=1) / np.sqrt(n),
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Print a table per trial and landmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("KETAPREDICT_REALDATA", ROOT.parent / "shared" / "realdata")
    parser.add_argument("--realdata", type=Path, default=Path(default))
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args()
    for trial, (file, name) in TRIALS.items():
        mappings = ROOT / "data" / "mappings"
        cohort = read_cohort(arguments.realdata / file, mappings / f"{name}.toml", mappings / f"{name}.protocol.toml")
        for landmark in LANDMARKS:
            data = training_data(cohort.subset(cohort.active), landmark, "response")
            print(
                f"\n{trial}, active arm, landmark {landmark}: {len(data.labels)} courses, "
                f"{int(data.labels.sum())} responders, {arguments.repeats} x 5-fold"
            )
            print(compare(data, arguments.repeats).to_string(index=False, float_format=lambda x: f"{x:.4f}"))


if __name__ == "__main__":
    main()
