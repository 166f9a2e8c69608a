"""Figures of a site: parity with statsmodels, a bootstrap, and an explicit DeLong."""

import numpy as np
import pytest
import statsmodels.api as sm

from ketapredict.validate.site_figures import delong_variance, site_figures


def drawn(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(0, 1, n)
    return (rng.random(n) < 1 / (1 + np.exp(-(0.3 + 0.8 * log_odds)))).astype(float), log_odds


def test_calibration_and_its_errors_are_those_of_statsmodels():
    y, log_odds = drawn(120)
    by = {figure.measure: figure for figure in site_figures(y, log_odds, (0.3,))}
    both = sm.GLM(y, sm.add_constant(log_odds), family=sm.families.Binomial()).fit(tol=1e-12)
    alone = sm.GLM(y, np.ones(120), offset=log_odds, family=sm.families.Binomial()).fit(tol=1e-12)
    assert by["calibration_slope"].value == pytest.approx(both.params[1], abs=1e-7)
    assert by["calibration_slope"].se == pytest.approx(both.bse[1], abs=1e-6)
    assert by["calibration_intercept"].value == pytest.approx(alone.params[0], abs=1e-7)
    assert by["calibration_intercept"].se == pytest.approx(alone.bse[0], abs=1e-6)


def test_delong_is_its_definition_and_near_the_bootstrap():
    y, p = drawn(80, 1)
    p = np.round(p, 1)  # ties
    cases, others = p[y == 1], p[y == 0]
    v10 = [np.mean([(c > o) + 0.5 * (c == o) for o in others]) for c in cases]
    v01 = [np.mean([(c > o) + 0.5 * (c == o) for c in cases]) for o in others]
    assert delong_variance(y, p) == pytest.approx(np.var(v10, ddof=1) / len(cases) + np.var(v01, ddof=1) / len(others))
    rng = np.random.default_rng(0)
    aucs = []
    for _ in range(2000):
        c, o = rng.choice(cases, len(cases)), rng.choice(others, len(others))
        aucs.append(((c[:, None] > o) + 0.5 * (c[:, None] == o)).mean())
    assert np.std(aucs) == pytest.approx(delong_variance(y, p) ** 0.5, rel=0.08)


def test_net_benefit_has_the_error_of_a_mean():
    y, log_odds = drawn(100, 2)
    figure = {figure.measure: figure for figure in site_figures(y, log_odds, (0.3,))}["net_benefit_0.3"]
    yes = 1 / (1 + np.exp(-log_odds)) >= 0.3
    true, false = (yes & (y == 1)).sum(), (yes & (y == 0)).sum()
    assert figure.value == pytest.approx(true / 100 - false / 100 * 0.3 / 0.7)
    counts = np.array([true, false, 100 - true - false])
    gains = np.array([1, -0.3 / 0.7, 0])
    spread = counts @ (gains - figure.value) ** 2 / 99
    assert figure.se == pytest.approx(np.sqrt(spread / 100))


def test_perfect_separation_has_an_auc_that_can_be_pooled_and_no_slope():
    y = np.r_[np.zeros(12), np.ones(12)]
    by = {figure.measure: figure for figure in site_figures(y, np.linspace(-2, 2, 24), ())}
    assert np.isfinite([by["auc"].value, by["auc"].se]).all()
    assert by["auc"].shown(-1) < by["auc"].shown(0) < by["auc"].shown(1) < 1
    assert np.isnan(by["calibration_slope"].value)


@pytest.mark.parametrize("event", [0.0, 1.0])
def test_a_site_where_all_ended_alike_has_an_intercept_and_a_net_benefit(event):
    log_odds = drawn(30, 3)[1]
    y = np.full(30, event)
    by = {figure.measure: figure for figure in site_figures(y, log_odds, (0.3,))}
    assert np.isnan([by["auc"].value, by["calibration_slope"].value]).all()
    assert np.isfinite([by["net_benefit_0.3"].value, by["net_benefit_0.3"].se]).all()
    found = by["calibration_intercept"]
    assert (found.value > 0) == (event == 1)
    # The maximum of the likelihood times the root of the information.
    grid = found.value + np.linspace(-3, 3, 6001)
    fitted = 1 / (1 + np.exp(-(log_odds[:, None] + grid)))
    likelihood = np.where(event, np.log(fitted), np.log1p(-fitted)).sum(axis=0)
    posterior = likelihood + 0.5 * np.log((fitted * (1 - fitted)).sum(axis=0))
    assert grid[np.argmax(posterior)] == pytest.approx(found.value, abs=2e-3)
    w = 1 / (1 + np.exp(-(log_odds + found.value)))
    assert found.se == pytest.approx((w @ (1 - w)) ** -0.5)


def test_four_of_a_class_are_too_few_for_auc_and_slope_and_five_are_not():
    log_odds = drawn(40, 4)[1]
    for events, estimable in ((4, False), (5, True)):
        y = np.zeros(40)
        y[np.argsort(log_odds)[10 : 10 + events]] = 1
        by = {figure.measure: figure for figure in site_figures(y, log_odds, ())}
        assert np.isfinite([by["auc"].value, by["calibration_slope"].value]).tolist() == [estimable] * 2
        assert np.isfinite(by["calibration_intercept"].value)


@pytest.mark.parametrize(("event", "sign"), [(0.0, -1), (1.0, 1)])
def test_net_benefit_can_be_pooled_where_all_gain_alike(event, sign):
    by = {f.measure: f for f in site_figures(np.full(30, event), np.full(30, 2.0), (0.3, 0.95))}
    all_go_on, nobody = by["net_benefit_0.3"], by["net_benefit_0.95"]
    assert all_go_on.value == pytest.approx(1.0 if event else -0.3 / 0.7)
    assert np.sign(all_go_on.value) == sign
    assert nobody.value == 0.0
    for figure, threshold in ((all_go_on, 0.3), (nobody, 0.95)):
        # No wider than the share of one course in the 30, in units of what a course can change.
        assert 0 < figure.se < (1 / 30) / (1 - threshold)
