"""Accuracy of decisions: parity with scikit-learn and statsmodels, and intervals."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix
from statsmodels.stats.proportion import proportion_confint

from ketapredict.validate.thresholds import accuracy_table, threshold_table, wilson_interval


def drawn(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 2, n)
    return (rng.random(n) < p).astype(float), p


def test_parity_with_the_confusion_matrix_of_scikit_learn():
    y, p = drawn(300)
    p = np.round(p, 1)  # a probability of the threshold itself counts as yes
    table = threshold_table(y, p, np.arange(300), np.random.default_rng(0), (0.3, 0.5, 0.7), 50)
    for threshold, rows in table.groupby("threshold"):
        tn, fp, fn, tp = confusion_matrix(y, p >= threshold).ravel()
        expected = [tp / (tp + fn), tn / (tn + fp), tp / (tp + fp), tn / (tn + fn)]
        np.testing.assert_allclose(rows["estimate"], expected)
        assert rows["numerator"].tolist() == [tp, tn, tp, tn]


def test_the_interval_is_that_of_a_loop_over_patients():
    y, p = drawn(80)
    patients = np.arange(80) // 2
    found = threshold_table(y, p, patients, np.random.default_rng(3), (0.5,), 60).set_index("measure")
    draws = np.random.default_rng(3).integers(0, 40, (60, 40))
    values = []
    for drawn_patients in draws:
        rows = np.concatenate([np.flatnonzero(patients == patient) for patient in drawn_patients])
        cases = rows[y[rows] == 1]
        values.append((p[cases] >= 0.5).mean())
    low, high = np.percentile(values, (2.5, 97.5))
    assert found.loc["sensitivity", ["low", "high"]].tolist() == pytest.approx([low, high])


def test_with_many_independent_courses_the_bootstrap_is_near_wilson():
    y, p = drawn(1500)
    table = threshold_table(y, p, np.arange(1500), np.random.default_rng(1), (0.4, 0.6))
    for row in table.itertuples():
        assert (row.low, row.high) == pytest.approx(wilson_interval(row.numerator, row.denominator), abs=0.006)
        assert row.method == "bootstrap"


@pytest.mark.parametrize(("hit", "total"), [(0, 12), (12, 12), (3, 10), (50, 80)])
def test_wilson_is_that_of_statsmodels(hit, total):
    assert wilson_interval(hit, total) == pytest.approx(proportion_confint(hit, total, method="wilson"), abs=1e-7)


def test_few_on_one_side_get_wilson_and_none_at_all_nothing():
    y = np.r_[np.ones(20), np.zeros(20)]
    decisions = {"all": np.ones(40, bool), "nearly": np.r_[np.ones(19), 0, np.zeros(20)].astype(bool)}
    table = accuracy_table(y, decisions, np.arange(40), np.random.default_rng(0), 100).set_index(
        ["decision", "measure"]
    )
    assert table.loc[("all", "sensitivity"), "low"] == pytest.approx(proportion_confint(20, 20, method="wilson")[0])
    assert table.loc[("nearly", "sensitivity"), "method"] == "Wilson"
    assert np.isnan(table.loc[("all", "npv"), ["estimate", "low", "high"]].to_numpy(float)).all()
    assert table.loc[("all", "npv"), "method"] == ""
    assert table.loc[("all", "ppv"), "method"] == "bootstrap"
