from dataclasses import replace

import numpy as np
import pytest
from tests.model.test_updating import made_site

from ketapredict.model import update_choice
from ketapredict.model.update_choice import allowed_methods, choose_update
from ketapredict.model.updating import INTERCEPT, LEAVE_IT, METHODS, REFIT, SLOPE, SPREADS


def chosen(repetitions: int, **options: float) -> list[str]:
    found = []
    for seed in range(repetitions):
        site = made_site(seed=seed, **options)
        allowed = allowed_methods(site.labels, site.patients)
        found.append(choose_update(site, allowed, np.random.default_rng(seed)).update.method)
    return found


# Shares over 40 sites.
@pytest.mark.parametrize(
    ("options", "method", "least"),
    [
        ({"n": 80}, LEAVE_IT, 0.8),
        ({"n": 80, "shift": 1.2}, INTERCEPT, 0.75),
        ({"n": 300, "slope": 0.4}, SLOPE, 0.75),
        ({"n": 300, "other": 1.2}, REFIT, 0.9),
    ],
)
def test_what_is_true_of_the_site_is_chosen(options, method, least):
    assert np.mean([found == method for found in chosen(40, **options)]) >= least


def test_classes_that_are_too_small_limit_the_candidates():
    def allowed(events, others, per_patient=1):
        labels = np.r_[np.ones(events), np.zeros(others)]
        return allowed_methods(labels, np.arange(len(labels)) // per_patient)

    assert allowed(4, 60) == (LEAVE_IT,)
    assert allowed(60, 4) == (LEAVE_IT,)
    assert allowed(0, 0) == (LEAVE_IT,)
    assert allowed(5, 60) == allowed(60, 9) == (LEAVE_IT, INTERCEPT)
    assert allowed(10, 10) == METHODS
    assert allowed(12, 60, per_patient=4) == (LEAVE_IT,)


def test_ties_within_one_standard_error_go_to_the_simpler():
    for seed in range(10):
        site = made_site(120, seed=seed, shift=0.4)
        found = choose_update(site, METHODS, np.random.default_rng(seed))
        within = [method for method, (above, error) in found.above_best.items() if above <= error]
        assert found.update.method == within[0]
        assert found.update is found.candidates[within[0]]
        best = {found.log_loss[method] - above for method, (above, _) in found.above_best.items()}
        assert max(best) == pytest.approx(min(best))
        assert min(found.log_loss.values()) >= max(best) - 1e-12
        assert found.candidates[REFIT].spread in SPREADS


def test_candidates_predict_only_patients_that_they_were_not_fitted_to(monkeypatch):
    site = made_site(90)
    site = replace(site, patients=np.arange(90) // 3)
    seen = []
    original = update_choice.fit_candidates

    def watched(part, allowed):
        seen.append(set(part.patients))
        return original(part, allowed)

    folds = []
    original_folds = update_choice.repeated_folds
    monkeypatch.setattr(update_choice, "fit_candidates", watched)
    monkeypatch.setattr(update_choice, "repeated_folds", lambda *args: folds.extend(original_folds(*args)) or folds)
    choose_update(site, METHODS, np.random.default_rng(0))
    assert len(seen) == len(folds) + 1  # and once to all
    for trained, (_, _, test) in zip(seen, folds, strict=False):
        assert not trained & set(site.patients[test])


def test_the_standard_error_takes_patients_as_units():
    rng = np.random.default_rng(0)
    one = rng.normal(size=50)
    assert update_choice._standard_error(one, np.arange(50)) == pytest.approx(one.std(ddof=1) / np.sqrt(50))
    # Each course three times over tells nothing new.
    assert update_choice._standard_error(np.repeat(one, 3), np.repeat(np.arange(50), 3)) == pytest.approx(
        one.std(ddof=1) / np.sqrt(50)
    )


def test_a_class_of_one_patient_leaves_no_choice():
    site = made_site(30, seed=1)
    labels = np.zeros(30)
    labels[:3] = 1.0
    site = replace(site, labels=labels, patients=np.r_[[0, 0, 0], np.arange(27)])
    assert choose_update(site, METHODS, np.random.default_rng(0)).update.method == LEAVE_IT


def test_the_same_generator_gives_the_same_choice():
    site = made_site(80, shift=0.5)
    first, second = (choose_update(site, METHODS, np.random.default_rng(5)) for _ in range(2))
    assert first.log_loss == second.log_loss
    assert first.update.method == second.update.method
