import numpy as np
import pytest

from ketapredict.model.fit import training_data
from ketapredict.validate import fits
from ketapredict.validate.fits import fit_and_predict


def test_results_come_in_the_order_of_the_splits_and_each_is_counted(made, quick_fits):
    data = made(60)
    splits = [(np.arange(40), np.arange(40 + k, 60)) for k in range(5)]
    steps: list[int] = []
    found = list(fit_and_predict(data, splits, np.random.default_rng(0), steps.append))
    assert [len(log_odds) for log_odds, _ in found] == [20, 19, 18, 17, 16]
    assert steps == [1] * 5
    np.testing.assert_allclose(found[0][0][4:], found[4][0])
    assert found[0][1] == {"quick": 1.0}


def test_every_fit_has_a_seed_of_its_own_that_follows_the_generator(made, monkeypatch):
    seeds: list[int] = []
    monkeypatch.setattr(fits, "_fit", lambda data, train, test, seed: seeds.append(seed) or (np.zeros(1), {}))
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)
    for _ in range(2):
        list(fit_and_predict(made(30), [(np.arange(9), np.arange(9))] * 3, np.random.default_rng(4)))
    assert seeds[:3] == seeds[3:]
    assert len(set(seeds)) == 3


@pytest.mark.slow
def test_a_repeated_patient_is_on_one_side_of_the_folds_inside_the_fit(short_cohort, monkeypatch):
    data = training_data(short_cohort, "72h", "response")
    rows = np.sort(np.random.default_rng(0).integers(0, len(data.labels), len(data.labels)))
    seen = []

    def recording(labels, patients, n_folds, n_repeats, rng):
        from ketapredict.model.folds import repeated_folds

        folds = repeated_folds(labels, patients, n_folds, n_repeats, rng)
        seen.extend(set(patients[train]) & set(patients[test]) for _, train, test in folds)
        return folds

    monkeypatch.setattr("ketapredict.model.committee.repeated_folds", recording)
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)
    next(fit_and_predict(data, [(rows, np.arange(3))], np.random.default_rng(0)))
    assert seen
    assert not any(seen)
