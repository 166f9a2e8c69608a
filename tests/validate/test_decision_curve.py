"""Net benefit: parity with numbers printed by dcurves, with a loop, and what must hold for any data."""

import numpy as np
import pytest

from ketapredict.validate.decision_curve import ALL, MODEL, NONE, RULE, decision_curve, net_benefit

# The dcurves tutorial's family history of cancer (MSKCC-Epi-Bio/dcurves, r_results/univ_canc_famhist): 750
# patients, 105 with cancer; 115 have a family history, 24 of them cancer. Threshold: all, family history.
DCURVES = {
    0.01: (0.13131313131313133, 0.030774410774410774),
    0.05: (0.09473684210526317, 0.025614035087719297),
    0.10: (0.04444444444444447, 0.018518518518518517),
    0.14: (0.0, 0.012248062015503876),
    0.20: (-0.07499999999999998, 0.001666666666666667),
    0.25: (-0.14666666666666667, -0.008444444444444442),
    0.35: (-0.3230769230769232, -0.03333333333333334),
    0.50: (-0.72, -0.08933333333333333),
    0.80: (-3.3000000000000007, -0.4533333333333335),
}
CANCER = np.repeat([1.0, 1.0, 0.0, 0.0], [24, 81, 91, 554])
FAMILY = np.repeat([True, False, True, False], [24, 81, 91, 554])


def test_parity_with_dcurves():
    table = decision_curve(
        CANCER, FAMILY.astype(float), np.arange(750), np.random.default_rng(0), FAMILY, tuple(DCURVES), 10
    )
    by = table.pivot_table(index="threshold", columns="strategy", values="net_benefit")
    for threshold, (treat_all, family) in DCURVES.items():
        assert by.loc[threshold, ALL] == pytest.approx(treat_all, abs=1e-12)
        # Family history as a probability of 0 or 1, and as a rule: dcurves prints one number for both.
        assert by.loc[threshold, MODEL] == pytest.approx(family, abs=1e-12)
        assert by.loc[threshold, RULE] == pytest.approx(family, abs=1e-12)
        assert by.loc[threshold, NONE] == 0
        assert net_benefit(CANCER, FAMILY, threshold) == pytest.approx(family, abs=1e-12)


def test_intervals_and_gains_are_those_of_a_loop_over_patients():
    rng = np.random.default_rng(1)
    p = rng.random(90)
    y = (rng.random(90) < p).astype(float)
    rule, patients = rng.random(90) < 0.5, np.arange(90) // 3
    table = decision_curve(y, p, patients, np.random.default_rng(5), rule, (0.3,), 50).set_index("strategy")
    draws = np.random.default_rng(5).integers(0, 30, (50, 30))
    own, gain = [], []
    for drawn_patients in draws:
        rows = np.concatenate([np.flatnonzero(patients == patient) for patient in drawn_patients])
        n = len(rows)

        def benefit(yes, rows=rows, n=n):
            true = sum(1 for i in rows if yes[i] and y[i] == 1)
            false = sum(1 for i in rows if yes[i] and y[i] == 0)
            return true / n - false / n * 0.3 / 0.7

        own.append(benefit(rule))
        gain.append(benefit(p >= 0.3) - benefit(rule))
    assert table.loc[RULE, ["low", "high"]].tolist() == pytest.approx(list(np.percentile(own, (2.5, 97.5))))
    found = table.loc[RULE, ["gain_low", "gain_high"]].tolist()
    assert found == pytest.approx(list(np.percentile(gain, (2.5, 97.5))))
    assert np.isnan(table.loc[MODEL, "model_gain"])


def test_the_true_probabilities_are_never_worse_than_treating_all_or_none():
    p = np.linspace(0.01, 0.99, 99).repeat(100)
    y = np.concatenate([np.arange(100) < round(100 * value) for value in p[::100]]).astype(float)
    table = decision_curve(y, p, np.arange(len(y)), np.random.default_rng(0), n_bootstrap=2)
    gains = table.loc[table["strategy"].isin([ALL, NONE]), "model_gain"]
    assert (gains >= -1e-9).all()
    at_start = table[table["threshold"] == 0.05].set_index("strategy")
    assert at_start.loc[MODEL, "net_benefit"] == pytest.approx(at_start.loc[ALL, "net_benefit"], abs=0.002)


def test_without_a_rule_there_are_three_strategies_and_thresholds_must_be_inside():
    table = decision_curve(CANCER, FAMILY * 0.5, np.arange(750), np.random.default_rng(0), n_bootstrap=2)
    assert set(table["strategy"]) == {MODEL, ALL, NONE}
    with pytest.raises(ValueError, match="between 0 and 1"):
        decision_curve(CANCER, FAMILY * 0.5, np.arange(750), np.random.default_rng(0), thresholds=(0.0, 0.5))
