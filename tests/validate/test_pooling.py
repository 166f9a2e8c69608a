"""Random effects: numbers printed by metafor, statsmodels, and a hand example."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit
from scipy.stats import t
from statsmodels.stats.meta_analysis import combine_effects

from ketapredict.validate.pooling import pool

# The BCG trials (Colditz 1994; metafor's dat.bcg): tuberculosis and none among vaccinated, then among controls.
BCG = np.array(
    [
        [4, 119, 11, 128], [6, 300, 29, 274], [3, 228, 11, 209], [62, 13536, 248, 12619], [33, 5036, 47, 5761],
        [180, 1361, 372, 1079], [8, 2537, 10, 619], [505, 87886, 499, 87892], [29, 7470, 45, 7232],
        [17, 1699, 65, 1600], [186, 50448, 141, 27197], [5, 2493, 3, 2338], [27, 16886, 29, 17825],
    ]
)  # fmt: skip


def bcg() -> tuple[np.ndarray, np.ndarray]:
    """Log risk ratios and their variances."""
    a, b, c, d = BCG.T
    return np.log(a / (a + b) * (c + d) / c), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)


def test_parity_with_metafor():
    found = pool(*bcg())
    assert found.tau**2 == pytest.approx(0.3132, abs=1e-4)  # rma(yi, vi, method = "REML")
    assert found.tau == pytest.approx(0.5597, abs=1e-4)
    assert found.i2 == pytest.approx(0.9222, abs=1e-4)
    assert found.estimate == pytest.approx(-0.7145, abs=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_mean_and_interval_are_those_of_statsmodels_at_the_same_tau(seed):
    rng = np.random.default_rng(seed)
    variances = rng.uniform(0.02, 0.3, 7)
    x = rng.normal(0.5, np.sqrt(variances + 0.1 * seed))
    found = pool(x, variances)
    known = combine_effects(x, variances + found.tau**2, use_t=True)
    assert found.estimate == pytest.approx(known.mean_effect_fe, abs=1e-9)
    assert found.se**2 == pytest.approx(max(known.var_hksj_fe, known.var_eff_w_fe), rel=1e-7)
    half = t.ppf(0.975, 6) * found.se
    assert (found.low, found.high) == pytest.approx((found.estimate - half, found.estimate + half))


@pytest.mark.parametrize("seed", range(8))
def test_tau_maximises_the_restricted_likelihood(seed):
    rng = np.random.default_rng(seed)
    variances = rng.uniform(0.05, 0.3, 5)
    x = rng.normal(0, np.sqrt(variances + 0.05 * seed))

    def loss(tau: float) -> float:
        # The likelihood of all contrasts with the first site, which hold nothing of the mean.
        contrast = np.column_stack([-np.ones(4), np.eye(4)])
        covariance = contrast @ np.diag(variances + tau**2) @ contrast.T
        d = contrast @ x
        return float(np.linalg.slogdet(covariance)[1] + d @ np.linalg.solve(covariance, d))

    best = minimize_scalar(loss, bounds=(0, 5), method="bounded", options={"xatol": 1e-9}).x
    found = pool(x, variances).tau
    assert loss(found) <= loss(best) + 1e-7
    if found > 0.01:
        assert found == pytest.approx(best, abs=1e-3)


def test_a_hand_example():
    # Equal variances 0.04, estimates 0, 1, 2: REML gives tau^2 = s^2 - 0.04 = 0.96; se^2 = 1 / 3.
    found = pool(np.array([0.0, 1.0, 2.0]), np.full(3, 0.04))
    assert found.estimate == pytest.approx(1)
    assert found.tau == pytest.approx(np.sqrt(0.96), abs=1e-5)
    assert found.se == pytest.approx(np.sqrt(1 / 3), abs=1e-5)
    assert found.high == pytest.approx(1 + 4.302653 * np.sqrt(1 / 3), abs=1e-4)
    assert found.prediction_high == pytest.approx(1 + 12.706205 * np.sqrt(0.96 + 1 / 3), abs=1e-3)


def test_alike_sites_have_no_heterogeneity_and_no_interval_narrower_than_without_it():
    found = pool(np.full(4, 0.3), np.full(4, 0.1))
    assert found.tau == 0
    assert found.i2 == 0
    assert found.se == pytest.approx(np.sqrt(0.1 / 4))


def test_one_and_two_sites():
    one = pool(np.array([0.4]), np.array([0.09]))
    assert (one.estimate, one.se, one.sites) == pytest.approx((0.4, 0.3, 1))
    assert np.isnan([one.low, one.tau, one.prediction_low]).all()
    two = pool(np.array([0.4, 0.6]), np.array([0.09, 0.04]))
    assert np.isfinite([two.low, two.tau]).all()
    assert np.isnan(two.prediction_low)


def test_the_way_back_from_the_logit_keeps_tau():
    found = pool(np.array([0.5, 1.0, 0.8]), np.full(3, 0.05))
    back = found.mapped(expit)
    assert back.estimate == pytest.approx(expit(found.estimate))
    assert back.prediction_low < back.low < back.estimate < back.high < back.prediction_high
    assert (back.tau, back.sites) == (found.tau, 3)


def test_what_cannot_be_pooled_is_refused():
    with pytest.raises(ValueError, match="variance over 0"):
        pool(np.array([1.0, 2.0]), np.array([0.1, 0.0]))
