"""Training data with a known truth, and a quick stand-in for the committee."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ketapredict.features.design import THRESHOLD, Feature
from ketapredict.model.members import TrainingData
from ketapredict.validate import fits
from ketapredict.validate.logistic import fit_logistic

FEATURES = (
    Feature("severity_relative", "relative_score", ("score_baseline",), "severity", "score at baseline", "pre"),
    Feature(
        "early_improvement_24h", "early_improvement", ("score_24h", "score_baseline"), "early_improvement",
        "improvement at 24h", "24h", direction=1,
    ),
    Feature("noise", "value", ("noise",), "age", "noise", "pre"),
)  # fmt: skip


def training_data_with(n: int, seed: int = 0, link: float = 0.6, courses_per_patient: int = 1) -> TrainingData:
    """Courses whose improvements at 24 h and at the end correlate by `link` and do not depend on the baseline."""
    rng = np.random.default_rng(seed)
    baseline = np.clip(rng.normal(0.55, 0.1, n), 0.3, 0.95)
    early = rng.normal(0, 1, n)
    late = link * early + np.sqrt(1 - link**2) * rng.normal(0, 1, n)
    end = baseline * (0.5 - 0.25 * late)
    frame = pd.DataFrame(
        {
            "severity_relative": baseline,
            "early_improvement_24h": 0.3 + 0.25 * early,
            "noise": rng.normal(0, 1, n),
            THRESHOLD: baseline / 2,
        }
    )
    labels = (end <= baseline / 2).astype(float)
    return TrainingData(frame, FEATURES, labels, end, np.arange(n) // courses_per_patient, np.ones(n))


def quick_committee(data: TrainingData, rng: np.random.Generator) -> SimpleNamespace:
    """Logistic regression with a weak ridge on all features."""
    names = [feature.name for feature in data.features]
    x = data.frame[names].to_numpy(float)
    known = ~np.isnan(x)
    centre = np.nansum(x, axis=0) / np.maximum(known.sum(axis=0), 1)
    spread = np.sqrt(np.nansum((x - centre) ** 2, axis=0) / np.maximum(known.sum(axis=0), 1)) + 1e-9

    def design(other: TrainingData) -> np.ndarray:
        standard = (other.frame[names].to_numpy(float) - centre) / spread
        return np.column_stack([np.ones(len(standard)), np.nan_to_num(standard)])

    ridge = np.r_[0.0, np.ones(len(names))]
    beta = fit_logistic(design(data), data.labels, np.ones((1, len(data.labels))), ridge=ridge)[0]
    return SimpleNamespace(
        members=(SimpleNamespace(name="quick"),), weights=(1.0,), log_odds=lambda other: design(other) @ beta
    )


@pytest.fixture
def quick_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit the stand-in, in this process."""
    monkeypatch.setattr(fits, "fit_committee", quick_committee)
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)


@pytest.fixture(scope="session")
def made() -> Callable[..., TrainingData]:
    """Make training data with a known truth."""
    return training_data_with
