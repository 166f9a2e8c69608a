"""Nested cross-validation of updating: what it measures, and that nothing leaks into it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from tests.conftest import SHORT_PROTOCOL
from tests.model.test_updating import made_site

from ketapredict.features.design import features_at
from ketapredict.model.members import TrainingData
from ketapredict.model.update_choice import allowed_methods, choose_update
from ketapredict.model.updating import LEAVE_IT, METHODS, Site
from ketapredict.validate import updating as module
from ketapredict.validate.cross_validation import BASELINE_ONLY, EARLY_ONLY, MODEL, PREVALENCE, RULE
from ketapredict.validate.measures import log_loss
from ketapredict.validate.updating import (
    PROCEDURE,
    UpdateValidation,
    choice_words,
    cross_validate_update,
    rarely_chosen,
    updating_as_text,
    updating_table,
)


def validated(site: Site, repeats: int = 1, seed: int = 0) -> UpdateValidation:
    choice = choose_update(site, allowed_methods(site.labels, site.patients), np.random.default_rng(seed))
    return cross_validate_update(site, courses_of(site), "24h", choice, repeats, np.random.default_rng(seed + 1))


def courses_of(site: Site) -> TrainingData:
    """The site's courses with a baseline and an early improvement, for the simpler predictions."""
    rng = np.random.default_rng(9)
    n = len(site.labels)
    frame = pd.DataFrame(
        {"severity_relative": rng.uniform(0.3, 0.8, n), "early_improvement_24h": rng.normal(0.3, 0.2, n)}
    )
    features = tuple(f for f in features_at("24h", SHORT_PROTOCOL) if f.name in frame)
    return TrainingData(frame, features, site.labels, np.zeros(n), site.patients, np.ones(n))


def test_leaving_it_is_measured_as_it_is_and_the_others_out_of_fold():
    site = made_site(80, shift=1.2)
    found = validated(site, repeats=2).validation
    assert set(found.predictions) == {MODEL, *METHODS, PREVALENCE, BASELINE_ONLY, EARLY_ONLY, RULE}
    np.testing.assert_allclose(found.predictions[LEAVE_IT], [expit(site.log_odds)] * 2)
    assert found.measures[LEAVE_IT]["log_loss"].estimate == log_loss(site.labels, expit(site.log_odds))
    assert (found.n_folds, found.n_repeats, len(found.folds)) == (5, 2, 10)
    assert sum(found.members_used.values()) == pytest.approx(1.0)
    difference = found.differences[LEAVE_IT]["log_loss"]
    assert difference.estimate < 0
    assert difference.low < difference.estimate < difference.high


def test_the_choice_is_made_anew_in_each_fold_from_other_patients(monkeypatch):
    site = replace(made_site(120, shift=0.5), patients=np.arange(120) // 3)
    seen = []

    def watched(part, allowed, rng):
        seen.append(set(part.patients))
        return choose_update(part, allowed, rng)

    monkeypatch.setattr(module, "choose_update", watched)
    found = validated(site).validation
    assert len(seen) == len(found.folds) == 5
    for trained, (_, _, test) in zip(seen, found.folds, strict=True):
        assert not trained & set(site.patients[test])


def test_the_label_of_a_course_has_no_part_in_its_own_prediction():
    """Turned round, a label changes nothing of the predictions of its own fold but where folds themselves move."""
    site = made_site(100, shift=0.6, seed=3)
    choice = choose_update(site, METHODS, np.random.default_rng(0))
    folds = [(0, np.arange(20, 100), np.arange(20)), (0, np.arange(20), np.arange(20, 100))]
    turned = replace(site, labels=np.r_[1 - site.labels[:20], site.labels[20:]])
    predictions = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "repeated_folds", lambda *_: folds)
        for one in (site, turned):
            found = cross_validate_update(one, courses_of(one), "24h", choice, 1, np.random.default_rng(1))
            predictions.append({name: p[:, :20] for name, p in found.validation.predictions.items()})
    for name, p in predictions[0].items():
        np.testing.assert_array_equal(p, predictions[1][name])


def test_the_gain_that_is_reported_is_what_new_courses_show():
    differences = []
    for seed in range(12):
        found = validated(made_site(80, seed=seed, shift=1.0), seed=seed)
        many = made_site(4000, seed=1000 + seed, shift=1.0)
        as_left = log_loss(many.labels, expit(many.log_odds))
        gain = log_loss(many.labels, expit(found.choice.update.log_odds(many))) - as_left
        differences.append(found.validation.differences[LEAVE_IT]["log_loss"].estimate - gain)
    error = np.std(differences, ddof=1) / np.sqrt(len(differences))
    assert abs(np.mean(differences)) < 3 * error
    assert np.mean(differences) > -0.03  # never clearly better than it is


def test_the_table_has_every_candidate_with_intervals_and_marks_the_chosen_one():
    found = validated(made_site(80, shift=1.2))
    table = updating_table([found])
    assert list(table["candidate"]) == [*METHODS, PROCEDURE]
    assert list(table.loc[table["chosen"], "candidate"]) == [found.choice.update.method]
    for measure in ("log_loss", "calibration_slope", "calibration_intercept"):
        assert (table[f"{measure}_low"] < table[measure]).all()
        assert (table[measure] < table[f"{measure}_high"]).all()
    numbers = table.set_index("candidate")
    assert tuple(numbers.loc[LEAVE_IT, ["intercept", "slope"]]) == (0.0, 1.0)
    assert numbers.loc["shrunken refit", "penalty"] > 0
    text = updating_as_text(table)
    assert text.count("chosen") == 1
    assert text.count("24h") == 1


def test_with_few_events_the_slope_is_not_tried_and_this_is_said():
    site = made_site(60, seed=5)
    labels = np.zeros(60)
    labels[np.argsort(site.log_odds)[[-1, -3, -9, 5, -20, -30]]] = 1.0
    found = validated(replace(site, labels=labels))
    assert tuple(found.choice.candidates) == METHODS[:2]
    assert "fewer than 10 patients" in choice_words(found)
    table = updating_table([found])
    assert table["calibration_slope"].isna().all()
    assert "not estimable" in updating_as_text(table)


@pytest.mark.parametrize("options", [{}, {"shift": 1.2}, {"slope": 0.3, "n": 300}, {"other": 1.2, "n": 300}])
def test_the_choice_is_told_in_words_with_both_figures(options):
    found = validated(made_site(**{"n": 80} | options))
    told = choice_words(found)
    measures = found.validation.measures
    assert told.startswith("24h: ")
    assert f"Log-loss {measures[LEAVE_IT]['log_loss'].estimate:.3f} left as it is" in told
    assert f"{measures[MODEL]['log_loss'].estimate:.3f} updated this way" in told


@pytest.mark.parametrize(("share", "said"), [(0.5, False), (0.49, True)])
def test_a_choice_that_most_folds_do_not_make_is_said(share, said):
    found = validated(made_site(80, shift=1.2))
    method = found.choice.update.method
    other = next(name for name in METHODS if name != method)
    shares = dict.fromkeys(METHODS, 0.0) | {method: share, other: 1 - share}
    told = rarely_chosen(replace(found, validation=replace(found.validation, members_used=shares)))
    assert len(told) == said
    if said:
        assert f"({method}) was chosen in 49% of the folds only, most often {other} (51%)" in told[0]
