"""Riley's criteria: published worked examples, pmsampsize's own tests, and the words."""

import numpy as np
import pytest

from ketapredict.validate.sample_size import (
    cox_snell_r2,
    expected_shrinkage,
    largest_cox_snell_r2,
    required_sample_size,
    sample_size_statement,
)


def test_the_worked_example():
    needed = required_sample_size(10, 0.5, cox_snell_r2(0.75, 0.5))
    assert needed.courses == needed.shrinkage == 435
    assert needed.overall_risk == 385


# tests/testthat/test_bin.R of pmsampsize: R2, parameters, prevalence, then the three criteria.
@pytest.mark.parametrize(
    ("r2", "parameters", "prevalence", "expected"),
    [
        (0.288, 24, 0.174, (623, 668, 221)),
        (0.55, 24, 0.174, (255, 532, 221)),
        (0.288, 36, 0.174, (934, 1002, 221)),
        (0.288, 24, 0.25, (623, 583, 289)),
    ],
)
def test_parity_with_pmsampsize(r2, parameters, prevalence, expected):
    needed = required_sample_size(parameters, prevalence, r2)
    assert (needed.shrinkage, needed.overall_risk) == (expected[0], expected[2])
    # pmsampsize rounds max R2 to two digits and the shrinkage of this criterion to three.
    assert needed.optimism == pytest.approx(expected[1], rel=0.0125)
    largest = round(largest_cox_snell_r2(prevalence), 2)
    rounded = round(r2 / (r2 + 0.05 * largest), 3)
    assert int(np.ceil(parameters / ((rounded - 1) * np.log(1 - r2 / rounded)))) == expected[1]


# evidence/reporting.md: computed once by simulation, hence within half a percent.
@pytest.mark.parametrize(
    ("prevalence", "c", "parameters", "expected"),
    [
        (0.45, 0.60, 4, 1148), (0.45, 0.65, 4, 505), (0.45, 0.70, 8, 560), (0.45, 0.75, 12, 526),
        (0.45, 0.80, 20, 589), (0.30, 0.70, 4, 329), (0.30, 0.70, 20, 1642), (0.30, 0.75, 20, 1024),
        (0.45, 0.75, 4, 381), (0.30, 0.75, 4, 323),
    ],
)  # fmt: skip
def test_the_table_in_the_evidence(prevalence, c, parameters, expected):
    found = required_sample_size(parameters, prevalence, cox_snell_r2(c, prevalence)).courses
    assert found == pytest.approx(expected, rel=0.004)


def test_the_r2_is_that_of_a_large_simulated_sample():
    import statsmodels.api as sm
    from scipy.stats import norm

    rng = np.random.default_rng(123456)
    n, c, prevalence = 400_000, 0.75, 0.3
    y = np.repeat([1.0, 0.0], [int(prevalence * n), n - int(prevalence * n)])
    x = rng.normal(np.sqrt(2) * norm.ppf(c) * y, 1)
    fitted = sm.Logit(y, sm.add_constant(x)).fit(disp=0)
    assert cox_snell_r2(c, prevalence) == pytest.approx(1 - np.exp(-fitted.llr / n), abs=0.0015)


@pytest.mark.parametrize("prevalence", [0.1, 0.5, 0.7])
def test_r2_runs_from_nothing_to_that_of_a_perfect_model(prevalence):
    assert cox_snell_r2(0.5, prevalence) == pytest.approx(0, abs=1e-9)
    found = [cox_snell_r2(c, prevalence) for c in (0.55, 0.7, 0.9, 0.9999)]
    assert found == sorted(found)
    assert found[-1] < largest_cox_snell_r2(prevalence)
    assert found[-1] == pytest.approx(largest_cox_snell_r2(prevalence), abs=0.02)
    assert cox_snell_r2(0.7, prevalence) == pytest.approx(cox_snell_r2(0.7, 1 - prevalence), abs=1e-9)


def test_the_expected_shrinkage_is_the_criterion_turned_round():
    r2 = cox_snell_r2(0.75, 0.5)
    assert expected_shrinkage(435, 10, r2) == pytest.approx(0.9, abs=2e-4)
    assert expected_shrinkage(100, 10, r2) < expected_shrinkage(200, 10, r2) < 0.9
    assert r2 <= expected_shrinkage(3, 50, r2) < 0.35


def test_the_words():
    text = sample_size_statement(129, 4, 0.45, 0.7)
    assert text.startswith("129 courses, 4 parameters: not enough for an AUC of 0.70 at a prevalence of 0.45; 252 more")
    assert "overall risk" in text
    text = sample_size_statement(129, 10, 0.5, 0.75)
    assert "306 more are needed (435 in all), above all to keep overfitting small (expected shrinkage now 0.7" in text
    assert "enough for an AUC" in sample_size_statement(435, 10, 0.5, 0.75)
    assert "not enough" not in sample_size_statement(435, 10, 0.5, 0.75)
    assert "no discrimination" in sample_size_statement(435, 1, 0.5, 0.48)
    assert "suspect leakage" in sample_size_statement(435, 1, 0.5, 0.9999999)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="c-statistic"):
        cox_snell_r2(1.0, 0.5)
    with pytest.raises(ValueError, match="perfect model"):
        required_sample_size(4, 0.5, 0.75)
