from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.fitting import fit_response_model
from ketapredict.model.committee import SLOPE_SD, calibration, committee_weights


def test_weights_are_equal_unless_a_member_clearly_harms():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=400)
    labels = (truth + rng.logistic(size=400) > 0).astype(float)
    good = [truth + rng.normal(scale=0.1, size=400) for _ in range(3)]
    assert committee_weights(np.stack(good), labels) == pytest.approx((1 / 3,) * 3)
    harmful = -3 * truth
    assert committee_weights(np.stack([*good, harmful]), labels) == pytest.approx((1 / 3, 1 / 3, 1 / 3, 0))


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0, -1.0])
def test_the_calibration_is_the_mode_under_its_prior(factor):
    rng = np.random.default_rng(5)
    log_odds = 0.4 + rng.normal(size=150)
    labels = (rng.random(150) < expit(factor * log_odds)).astype(float)
    case_weights = rng.uniform(0.5, 3, size=150)
    relative = case_weights / case_weights.mean()

    def negative_log_posterior(at: np.ndarray) -> float:
        eta = at[0] + at[1] * log_odds
        return relative @ (np.logaddexp(0, eta) - labels * eta) + 0.5 * ((at[1] - 1) / SLOPE_SD) ** 2

    expected = minimize(negative_log_posterior, [0, 1], bounds=[(None, None), (0, None)], tol=1e-12).x
    assert calibration(log_odds, labels, case_weights) == pytest.approx(expected, abs=1e-4)


def test_an_average_that_is_too_timid_is_stretched_and_one_of_chance_is_not():
    rng = np.random.default_rng(6)
    truth = rng.normal(size=2000)
    labels = (rng.random(2000) < expit(truth)).astype(float)
    assert calibration(0.5 * truth, labels)[1] == pytest.approx(2, abs=0.4)
    assert calibration(rng.normal(size=2000), labels)[1] < 0.4


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("landmark", ["24h", "72h"])
def test_a_better_latest_score_never_lowers_the_probability(seed, landmark, short_cohort):
    model = short_model_of(short_cohort, seed)
    courses = short_cohort.subset(short_cohort.table[f"score_{landmark}"].notna().to_numpy())
    last = None
    for score in range(0, 61):
        table = courses.table.copy()
        table[f"score_{landmark}"] = float(score)
        found = model.predict(replace(courses, courses=CourseColumns.of_table(table)), landmark)[
            "probability"
        ].to_numpy()
        if last is not None:
            assert (found <= last + 1e-12).all()
        last = found
    assert last is not None


_models: dict[int, object] = {}


def short_model_of(cohort, seed):
    if seed not in _models:
        rows = np.random.default_rng(seed).permutation(len(cohort)) < 110
        _models[seed] = fit_response_model(cohort.subset(rows), seed=seed)[0]
    return _models[seed]
