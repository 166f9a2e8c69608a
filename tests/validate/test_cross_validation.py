from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.fitting import fit_response_model
from ketapredict.model.fit import refuse_too_few, training_data
from ketapredict.validate import fits
from ketapredict.validate.calibration_groups import calibration_groups
from ketapredict.validate.comparators import one_number_predictions
from ketapredict.validate.cross_validation import BASELINE_ONLY, EARLY_ONLY, MODEL, PREVALENCE, RULE, cross_validate
from ketapredict.validate.measures import MEASURES, log_loss
from ketapredict.validate.tables import as_text, differences_table, measures_table

from .conftest import quick_committee


@pytest.fixture(scope="module")
def data(short_cohort):
    return training_data(short_cohort, "72h", "response")


@pytest.fixture(scope="module")
def validation(data):
    """The measures of a quick stand-in for the committee: what is tested here is the rest."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fits, "fit_committee", quick_committee)
        patched.setattr("joblib.cpu_count", lambda: 1)
        return cross_validate(data, "72h", 1, np.random.default_rng(0))


@pytest.mark.slow
def test_the_result_does_not_depend_on_the_number_of_workers(data, monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    together = cross_validate(data, "72h", 1, np.random.default_rng(0))
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)
    alone = cross_validate(data, "72h", 1, np.random.default_rng(0))
    np.testing.assert_array_equal(alone.predictions[MODEL], together.predictions[MODEL])
    assert alone.measures == together.measures


def test_no_course_is_predicted_by_a_fit_that_saw_it(data, monkeypatch):
    seen: list[tuple[set[int], set[int]]] = []

    def recording(data_, train, test, seed):
        seen.append((set(data.patients[train]), set(data.patients[test])))
        return np.zeros(len(test)), {"elastic net": 1.0}

    monkeypatch.setattr(fits, "_fit", recording)
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)
    cross_validate(data, "72h", 2, np.random.default_rng(0))
    assert len(seen) == 10
    for train, test in seen:
        assert not train & test


def test_the_folds_and_their_log_odds_are_kept(validation):
    assert len(validation.folds) == len(validation.log_odds) == 5
    p = np.empty(validation.courses)
    for (_, _, test), log_odds in zip(validation.folds, validation.log_odds, strict=True):
        p[test] = 1 / (1 + np.exp(-log_odds))
    np.testing.assert_allclose(validation.predictions[MODEL], [p])


@pytest.mark.slow
def test_a_model_of_noise_is_no_better_than_the_prevalence(data):
    rng = np.random.default_rng(1)
    shuffled = replace(data, labels=rng.permutation(data.labels), end_scores=rng.permutation(data.end_scores))
    found = cross_validate(shuffled, "72h", 1, np.random.default_rng(0))
    assert found.measures[MODEL]["auc"].low < 0.5
    assert found.differences[PREVALENCE]["log_loss"].high > 0


def test_tables_hold_the_model_and_every_comparator(validation):
    table = measures_table([validation])
    assert set(table["predictor"]) == {MODEL, PREVALENCE, BASELINE_ONLY, EARLY_ONLY, RULE}
    assert (table["low"] <= table["high"]).all()
    assert set(differences_table([validation])["comparator"]) == {PREVALENCE, BASELINE_ONLY, EARLY_ONLY, RULE}
    assert "calibration" in as_text(table)


def test_early_improvement_alone_is_compared_on_the_same_folds(data, validation):
    early = data.frame["early_improvement_72h"].to_numpy()
    expected = one_number_predictions(data.labels, early, validation.folds)
    np.testing.assert_array_equal(validation.predictions[EARLY_ONLY], expected)
    assert validation.measures[EARLY_ONLY]["auc"].estimate == pytest.approx(roc_auc_score(data.labels, early))


def test_before_treatment_the_baseline_stands_for_it(short_cohort, quick_fits):
    at_pre = cross_validate(training_data(short_cohort, "pre", "response"), "pre", 1, np.random.default_rng(0))
    assert set(at_pre.predictions) == {MODEL, PREVALENCE, BASELINE_ONLY}


def test_calibration_groups_hold_every_course_once(validation):
    groups = calibration_groups(validation.labels, validation.predictions[MODEL])
    assert sum(group[-1] for group in groups) == validation.courses
    observed = sum(group[1] * group[-1] for group in groups)
    assert observed == pytest.approx(validation.events)


def test_a_landmark_with_too_few_events_is_refused_and_the_others_go_on(short_cohort):
    table = short_cohort.table.copy()
    keep = table.index[table["score_72h"].notna() & table["score_7d"].notna()][:15]
    table.loc[~table.index.isin(keep), "score_72h"] = np.nan
    from dataclasses import replace

    from ketapredict.errors import TrainingError

    few = replace(short_cohort, courses=CourseColumns.of_table(table))
    model, refused = fit_response_model(few, prior="none")
    assert model.landmarks == ("24h",)
    assert "Landmark 72h: expected at least 10" in refused["72h"]
    with pytest.raises(TrainingError, match="found"):
        refuse_too_few(training_data(few, "72h", "response"), "72h", "response")
    with pytest.raises(TrainingError, match="No landmark can be fitted"):
        fit_response_model(short_cohort.subset(np.arange(len(short_cohort)) < 20), prior="none")


def test_measures_are_means_over_the_repeats_and_not_those_of_averaged_predictions(data, quick_fits):
    found = cross_validate(data, "72h", 3, np.random.default_rng(0))
    p = found.predictions[MODEL]
    assert p.shape == (3, found.courses)
    for name in ("auc", "log_loss", "calibration_slope"):
        function = MEASURES[name].function
        of_each = [function(data.labels, repeat) for repeat in p]
        assert found.measures[MODEL][name].estimate == pytest.approx(np.mean(of_each), rel=1e-12)
        assert found.measures[MODEL][name].estimate != pytest.approx(function(data.labels, p.mean(axis=0)), rel=1e-9)
    other = found.predictions[PREVALENCE]
    losses = [log_loss(data.labels, a) - log_loss(data.labels, b) for a, b in zip(p, other, strict=True)]
    assert found.differences[PREVALENCE]["log_loss"].estimate == pytest.approx(np.mean(losses), rel=1e-9)
