"""The shared baseline, and figures too good to be true."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm

from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.features.design import THRESHOLD
from ketapredict.model.fit import training_data
from ketapredict.model.folds import repeated_folds
from ketapredict.validate.coupling import auc_and_log_loss, baseline_bands, coupling_null, leakage_suspicion
from ketapredict.validate.intervals import Interval
from ketapredict.validate.measures import auc, log_loss

COURSE = BUILT_IN["induction-course"]


def test_the_threshold_of_the_training_data_gives_their_labels(short_cohort):
    for outcome in ("response", "remission"):
        data = training_data(short_cohort, "24h", outcome)
        judged = data.end_scores <= data.frame[THRESHOLD].to_numpy() + 1e-9
        np.testing.assert_array_equal(judged, data.labels)


def test_a_real_link_is_far_above_the_null_and_none_is_not(made):
    for link, real in ((0.7, True), (0.0, False)):
        data = made(200, link=link, seed=4)
        early = data.frame["early_improvement_24h"].to_numpy()
        found = coupling_null(data, early, np.random.default_rng(0), 100)
        assert found["auc"].observed == pytest.approx(auc(data.labels, 1 / (1 + np.exp(-early))))
        assert found["auc"].null_low < 0.5 < found["auc"].null_high
        assert (found["auc"].gain > 0.15) == real
        assert (found["auc"].p_value < 0.02) == real
        assert (found["log_loss"].p_value < 0.02) == real
        assert found["log_loss"].gain == pytest.approx(found["log_loss"].null - found["log_loss"].observed)


def test_what_the_baseline_alone_brings_stays_in_the_null(made):
    # End scores that regress to the same mean whatever the baseline: a high baseline responds, and improves early.
    data = made(300, seed=6)
    rng = np.random.default_rng(0)
    baseline = data.frame["severity_relative"].to_numpy()
    frame = data.frame.assign(early_improvement_24h=1 - rng.uniform(0.28, 0.42, 300) / baseline)
    end = rng.uniform(0.15, 0.4, 300)
    coupled = replace(data, frame=frame, end_scores=end, labels=(end <= baseline / 2).astype(float))
    early = frame["early_improvement_24h"].to_numpy()
    found = coupling_null(coupled, early, np.random.default_rng(1), 100)["auc"]
    assert found.observed > 0.6  # looks like a prediction
    assert found.null > 0.6  # and is the shared baseline
    assert found.p_value > 0.05


def test_end_scores_stay_within_their_band(made):
    # Improvement does not depend on the baseline here: end scores permuted over all courses would make it seem so.
    data = made(300, link=0.0, seed=2)
    baseline = data.frame["severity_relative"].to_numpy()
    found = coupling_null(data, baseline, np.random.default_rng(0), 100)["auc"]
    assert found.null == pytest.approx(0.5, abs=0.07)
    everywhere = np.random.default_rng(0).permutation(data.end_scores) <= baseline / 2
    assert auc(everywhere.astype(float), baseline) > 0.65


def test_the_log_loss_is_out_of_fold(made):
    data = made(80)
    early = data.frame["early_improvement_24h"].to_numpy()
    x = (early - early.mean()) / early.std()
    p = np.empty(80)
    for _, train, test in repeated_folds(data.labels, data.patients, 5, 1, np.random.default_rng(3)):
        fitted = sm.Logit(data.labels[train], sm.add_constant(x[train])).fit(disp=0)
        p[test] = fitted.predict(sm.add_constant(x[test]))
    found = coupling_null(data, early, np.random.default_rng(3), 5)["log_loss"]
    assert found.observed == pytest.approx(log_loss(data.labels, p), abs=1e-4)


def test_bands_hold_every_course_once_and_ties_together():
    baseline = np.round(np.random.default_rng(0).uniform(0.3, 0.9, 95), 1)
    bands = baseline_bands(baseline)
    assert sorted(np.concatenate(bands)) == list(range(95))
    assert len(bands) <= 9
    for value in np.unique(baseline):
        assert sum((baseline[band] == value).any() for band in bands) == 1
    assert len(baseline_bands(baseline[:12])) == 1


def test_one_class_has_no_figures():
    folds = [(np.arange(5), np.arange(5, 10)), (np.arange(5, 10), np.arange(5))]
    assert np.isnan(auc_and_log_loss(np.zeros(10), np.linspace(0, 1, 10), folds)).all()


def auc_of(estimate: float, half: float = 0.04) -> Interval:
    return Interval(estimate, estimate - half, estimate + half, 0, 2000)


def test_in_a_few_courses_any_auc_may_be_chance(made):
    data = made(60, link=0.5)
    assert leakage_suspicion(data, "24h", COURSE, auc_of(0.9, half=0.05))
    assert leakage_suspicion(data, "24h", COURSE, auc_of(0.9, half=0.2)) == ()
    # Where classes are separated there may be no interval.
    assert leakage_suspicion(data, "24h", COURSE, Interval(1.0, np.nan, np.nan, 2000, 2000))


def test_a_planted_leak_is_named_and_honest_data_are_not(made):
    data = made(120, link=0.5)
    assert leakage_suspicion(data, "24h", COURSE, auc_of(0.75)) == ()
    (text,) = leakage_suspicion(data, "24h", COURSE, auc_of(0.9))
    assert "leakage" in text
    assert leakage_suspicion(data, "inf3", COURSE, auc_of(0.9)) == ()
    leaky = replace(data, frame=data.frame.assign(noise=1 - data.labels))
    (text,) = leakage_suspicion(leaky, "inf3", COURSE, auc_of(0.8))
    assert "noise" in text
    assert "AUC of 1.00" in text
    hidden = replace(data, frame=data.frame.assign(noise=np.where(data.labels == 1, 1.0, np.nan)))
    (text,) = leakage_suspicion(hidden, "24h", COURSE, auc_of(0.8))
    assert "is recorded" in text


def test_without_an_infusion_3_every_landmark_is_early(made):
    assert leakage_suspicion(made(60), "72h", BUILT_IN["single-infusion"], auc_of(0.9))
