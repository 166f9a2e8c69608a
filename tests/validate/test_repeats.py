"""Of several repeats every figure is the mean of what each gives; of one it is that one's."""

import numpy as np
import pandas as pd
import pytest

from ketapredict.validate.calibration_curve import calibration_curve
from ketapredict.validate.calibration_groups import calibration_groups
from ketapredict.validate.decision_curve import decision_curve
from ketapredict.validate.intervals import bootstrap_difference, bootstrap_interval
from ketapredict.validate.replicates import COLUMNS, replicates
from ketapredict.validate.subgroups import subgroup_table
from ketapredict.validate.thresholds import threshold_table

N, FEW = 200, 60


@pytest.fixture
def drawn():
    rng = np.random.default_rng(3)
    x = rng.normal(size=N)
    y = (rng.random(N) < 1 / (1 + np.exp(-x))).astype(float)
    p = 1 / (1 + np.exp(-(x + rng.normal(0, 0.6, (4, N)))))
    return y, p, np.arange(N) // 2


def table_of(kind, y, p, groups):
    rng = np.random.default_rng(0)
    if kind == "intervals":
        found = bootstrap_interval(y, p, groups, rng, FEW)
        return pd.DataFrame({k: [v.estimate, v.low, v.high] for k, v in found.items()})
    if kind == "difference":
        found = bootstrap_difference(y, p, np.full_like(p, 0.5), groups, rng, FEW)
        return pd.DataFrame({k: [v.estimate, v.low, v.high] for k, v in found.items()})
    if kind == "decision curve":
        return decision_curve(y, p, groups, rng, n_bootstrap=FEW)
    if kind == "replicates":
        return replicates(y, p, groups, "24h", "secret", "response", FEW)
    variables = pd.DataFrame({"sex": np.where(np.arange(N) % 3 == 0, "female", "male")})
    return subgroup_table(y, p, groups, variables, rng, FEW)


KINDS = ("intervals", "difference", "decision curve", "replicates", "subgroups")
ESTIMATES = {"decision curve": "net_benefit", "subgroups": "estimate"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_prediction_in_each_repeat_is_one_prediction(drawn, kind):
    y, p, groups = drawn
    alone = table_of(kind, y, p[0], groups)
    together = table_of(kind, y, np.stack([p[0]] * 3), groups)
    pd.testing.assert_frame_equal(alone, together, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_estimate_is_the_mean_over_the_repeats(drawn, kind):
    y, p, groups = drawn

    def estimates(given):
        table = table_of(kind, y, given, groups)
        if kind == "replicates":
            return table[list(COLUMNS[5:])].to_numpy(float)
        return table[ESTIMATES[kind]].to_numpy(float) if kind in ESTIMATES else table.iloc[0].to_numpy(float)

    of_each = [estimates(one) for one in p]
    np.testing.assert_allclose(estimates(p), np.mean(of_each, axis=0), rtol=1e-9, atol=1e-12)


def test_accuracies_count_a_course_by_the_share_of_repeats(drawn):
    y, p, groups = drawn
    table = threshold_table(y, p, groups, np.random.default_rng(0), n_bootstrap=FEW)
    for row in table.itertuples():
        yes = p >= row.threshold
        hit = {"sensitivity": y * yes, "specificity": (1 - y) * ~yes, "ppv": y * yes, "npv": (1 - y) * ~yes}
        among = {"sensitivity": y + 0 * yes, "specificity": 1 - y + 0 * yes, "ppv": yes, "npv": ~yes}
        expected = hit[row.measure].sum() / among[row.measure].sum()
        assert row.estimate == pytest.approx(expected)


def test_one_curve_goes_through_all_repeats(drawn):
    y, p, groups = drawn
    rng = np.random.default_rng
    alone = calibration_curve(y, p[0], groups, rng(0), FEW)
    together = calibration_curve(y, np.stack([p[0]] * 3), groups, rng(0), FEW)
    np.testing.assert_allclose(together.curve.to_numpy(), alone.curve.to_numpy(), atol=1e-8)
    every = calibration_curve(y, p, groups, rng(0), FEW)
    each = np.mean([calibration_curve(y, one, groups, rng(0), FEW).distances["ici"].estimate for one in p])
    assert every.distances["ici"].estimate == pytest.approx(each, abs=0.03)


def test_fifths_hold_every_course_once_in_all(drawn):
    y, p, _ = drawn
    groups = calibration_groups(y, p)
    assert sum(n for *_, n in groups) == N
    assert sum(share * n for _, share, *_, n in groups) == pytest.approx(y.sum())
