from dataclasses import replace

import numpy as np
import pytest

from ketapredict.errors import TrainingError
from ketapredict.model.fit import training_data
from ketapredict.validate.refits import bootstrap_refits


def test_patients_are_drawn_whole_and_predictions_are_of_all_courses(made, quick_fits):
    data = made(90, courses_per_patient=3)
    refits = bootstrap_refits(data, np.random.default_rng(0), 12)
    assert refits.log_odds.shape == refits.counts.shape == (12, 90)
    by_patient = refits.counts.reshape(12, 30, 3)
    assert (by_patient == by_patient[:, :, :1]).all()
    assert (by_patient[:, :, 0].sum(axis=1) == 30).all()
    assert 0.3 < (refits.counts == 0).mean() < 0.45  # 1 / e is out of the sample
    assert np.isfinite(refits.log_odds).all()


def test_a_refit_is_the_procedure_on_its_sample(made, quick_fits):
    from ketapredict.validate.logistic import fit_logistic

    data = made(80)
    refits = bootstrap_refits(data, np.random.default_rng(1), 3)
    names = [feature.name for feature in data.features]
    x = data.frame[names].to_numpy()
    for counts, log_odds in zip(refits.counts, refits.log_odds, strict=True):
        centre = np.average(x, axis=0, weights=counts)
        spread = np.sqrt(np.average((x - centre) ** 2, axis=0, weights=counts))
        design = np.column_stack([np.ones(80), (x - centre) / spread])
        beta = fit_logistic(design, data.labels, counts[None], ridge=np.array([0.0, 1, 1, 1]))[0]
        np.testing.assert_allclose(log_odds, design @ beta, atol=1e-5)


def test_the_reported_model_is_fitted_once_more_or_handed_over(made, quick_fits):
    data, steps = made(60), []
    own = bootstrap_refits(data, np.random.default_rng(2), 2, progress=steps.append)
    assert steps == [1] * 3
    given = bootstrap_refits(data, np.random.default_rng(2), 2, own.apparent, steps.append)
    assert steps == [1] * 5
    np.testing.assert_array_equal(own.log_odds, given.log_odds)
    np.testing.assert_array_equal(own.apparent, given.apparent)


def test_samples_without_enough_of_a_class_are_drawn_again_or_refused(made, quick_fits):
    data = made(60)
    few = replace(data, labels=(np.arange(60) < 9).astype(float))
    refits = bootstrap_refits(few, np.random.default_rng(0), 30)
    assert ((refits.counts[:, :9] > 0).sum(axis=1) >= 5).all()
    none = replace(data, labels=(np.arange(60) < 4).astype(float))
    with pytest.raises(TrainingError, match="5 patients with the outcome"):
        bootstrap_refits(none, np.random.default_rng(0), 2)


@pytest.mark.slow
def test_the_real_procedure_does_not_depend_on_the_number_of_workers(short_cohort, monkeypatch):
    data = training_data(short_cohort, "72h", "response")
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    together = bootstrap_refits(data, np.random.default_rng(3), 2)
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)
    alone = bootstrap_refits(data, np.random.default_rng(3), 2)
    np.testing.assert_array_equal(together.log_odds, alone.log_odds)
    np.testing.assert_array_equal(together.counts, alone.counts)
