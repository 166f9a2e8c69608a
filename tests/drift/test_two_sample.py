import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.multitest import multipletests

from ketapredict.drift.two_sample import (
    anderson_darling,
    division_p_value,
    holm,
    pearson,
    population_stability,
    probability_of_more,
    share_elsewhere,
    share_p_value,
)

COUNTS = arrays(np.int64, 6, elements=st.integers(0, 30)).filter(lambda counts: counts.sum() > 2)


def expanded(counts: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts)


def test_anderson_darling_is_scipys_up_to_its_standardisation() -> None:
    """scipy subtracts a mean and divides by a deviation that depend on the sizes alone."""
    rng = np.random.default_rng(0)
    ours, theirs = [], []
    for shift in (0.0, 0.3, 0.6, 1.0, 2.0):
        first = np.bincount(rng.binomial(9, 0.4, 60), minlength=10)
        second = np.bincount(np.minimum(9, rng.binomial(9, 0.4, 25) + rng.poisson(shift, 25)), minlength=10)
        samples = [expanded(first), expanded(second)]
        theirs.append(stats.anderson_ksamp(samples, variant="midrank", method=stats.PermutationMethod(n_resamples=9)))
        ours.append(float(anderson_darling(first, second)))
    standardised = np.array([found.statistic for found in theirs])
    slope = (standardised[-1] - standardised[0]) / (ours[-1] - ours[0])
    np.testing.assert_allclose(standardised, standardised[0] + slope * (np.array(ours) - ours[0]), rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(COUNTS, COUNTS)
def test_chi_square_is_scipys(first: np.ndarray, second: np.ndarray) -> None:
    table = np.vstack([first, second])[:, first + second > 0]
    if table.shape[1] < 2:
        assert pearson(first, second) == 0
        return
    found = stats.chi2_contingency(table, correction=False)
    np.testing.assert_allclose(pearson(first, second), found.statistic, rtol=1e-9, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(COUNTS, COUNTS)
def test_sizes_of_a_difference(first: np.ndarray, second: np.ndarray) -> None:
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (first, second))
    np.testing.assert_allclose(
        population_stability(first, second), stats.entropy(p, q) + stats.entropy(q, p), atol=1e-12
    )
    u = stats.mannwhitneyu(expanded(second), expanded(first)).statistic
    np.testing.assert_allclose(probability_of_more(first, second), u / (first.sum() * second.sum()), rtol=1e-12)
    share = share_elsewhere(first, second)
    assert 0 <= share <= 1
    assert share_elsewhere(first, first) == 0
    np.testing.assert_allclose(share, np.maximum(second / second.sum() - first / first.sum(), 0).sum(), atol=1e-12)


def test_the_p_value_is_the_share_of_all_divisions() -> None:
    first, second = np.array([4, 2, 1, 0]), np.array([0, 1, 2, 2])
    courses = expanded(first + second)
    found = anderson_darling(first, second)
    as_large = total = 0
    for chosen in itertools.combinations(range(len(courses)), int(second.sum())):
        drawn = np.bincount(courses[list(chosen)], minlength=4)
        as_large += bool(anderson_darling(first + second - drawn, drawn) >= found - 1e-9)
        total += 1
    exact = as_large / total
    mean = np.mean([division_p_value(first, second, anderson_darling, np.random.default_rng(k)) for k in range(20)])
    assert 0.005 < exact < 0.2
    np.testing.assert_allclose(mean, exact, rtol=0.06)


@pytest.mark.parametrize("size", [5, 20, 50, 200])
@pytest.mark.parametrize("statistic", [anderson_darling, pearson])
def test_false_alarms_are_as_rare_as_said_at_any_size(statistic, size: int) -> None:
    rng = np.random.default_rng(size)
    shares = np.array([0.4, 0.3, 0.2, 0.07, 0.03])
    below = np.zeros(3)
    runs = 400
    for _ in range(runs):
        p = division_p_value(rng.multinomial(60, shares), rng.multinomial(size, shares), statistic, rng, 400)
        below += p <= np.array([0.01, 0.05, 0.2])
    highest = stats.binom.ppf(0.999, runs, [0.01, 0.05, 0.2])
    assert (below <= highest).all()


def test_a_difference_is_found() -> None:
    rng = np.random.default_rng(1)
    shares = np.array([0.1, 0.2, 0.4, 0.2, 0.1])
    moved = np.array([0.05, 0.1, 0.2, 0.35, 0.3])
    p_values = [
        division_p_value(rng.multinomial(200, shares), rng.multinomial(50, moved), anderson_darling, rng)
        for _ in range(20)
    ]
    assert np.mean(np.array(p_values) < 0.001) > 0.8


def test_shares_by_fisher() -> None:
    assert share_p_value(10, 100, 9, 20) == stats.fisher_exact([[9, 11], [10, 90]]).pvalue
    more = share_p_value(10, 100, 9, 20, only_more=True)
    assert more == stats.fisher_exact([[9, 11], [10, 90]], alternative="greater").pvalue
    assert share_p_value(50, 100, 1, 20, only_more=True) > 0.99


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=20))
def test_holm_is_statsmodels(p_values: list[float]) -> None:
    np.testing.assert_allclose(holm(np.array(p_values)), multipletests(p_values, method="holm")[1], rtol=1e-12)
