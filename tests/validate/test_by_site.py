from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketapredict.validate.by_site import SMALLER_SITES, told_apart, validate_by_site
from ketapredict.validate.pooling import pool


@pytest.fixture
def sites() -> np.ndarray:
    """Three large sites, four of six courses, ten courses without a site."""
    names = ["A"] * 90 + ["B"] * 70 + ["C"] * 60 + ["d"] * 6 + ["e"] * 6 + ["f"] * 6 + ["g"] * 12 + [None] * 10
    return np.array(names, dtype=object)


def test_each_site_is_predicted_without_it_and_small_ones_share_a_figure(made, sites, quick_fits):
    data = made(260)
    found = validate_by_site(data, sites, np.random.default_rng(0), (0.3,))
    assert found.sites["site"].unique().tolist() == ["A", "B", "C", SMALLER_SITES]
    sizes = found.sites.drop_duplicates("site")
    assert sizes["courses"].tolist() == [90, 70, 60, 30]
    assert sizes["sites"].tolist() == [1, 1, 1, 4]
    assert np.isnan(found.log_odds[-10:]).all()
    assert np.isfinite(found.log_odds[:-10]).all()
    assert "10 courses without a site" in found.notes[0]
    assert (found.sites["low"] < found.sites["estimate"]).all()
    assert found.pooled["measure"].tolist() == ["auc", "calibration_intercept", "calibration_slope", "net_benefit_0.3"]
    assert (found.pooled["sites"] == 4).all()
    assert (found.pooled["prediction_low"] <= found.pooled["low"]).all()
    slopes = found.sites[found.sites["measure"] == "calibration_slope"]
    expected = pool(slopes["estimate"].to_numpy(), slopes["se"].to_numpy() ** 2)
    assert found.pooled.set_index("measure").loc["calibration_slope", "tau"] == expected.tau
    area = found.pooled.set_index("measure").loc["auc"]
    assert 0.5 < area["low"] < area["estimate"] < area["high"] < 1
    assert area["scale"] == "logit"


def test_no_training_row_is_of_the_site_or_of_its_patients(made, sites, monkeypatch):
    data = made(260, courses_per_patient=4)  # some patients have courses at two sites
    seen = []

    def recording(data_, splits, rng, progress):
        seen.extend(splits)
        return [(np.zeros(len(test)), {}) for _, test in splits]

    monkeypatch.setattr("ketapredict.validate.by_site.fit_and_predict", recording)
    validate_by_site(data, sites, np.random.default_rng(0))
    assert len(seen) == 3 + 4
    tested = np.concatenate([test for _, test in seen])
    assert sorted(tested) == list(range(250))
    for train, test in seen:
        assert not set(sites[train]) & set(sites[test])
        assert not set(data.patients[train]) & set(data.patients[test])


def test_a_site_that_differs_shows_as_heterogeneity(made, quick_fits):
    data = made(400)
    where = np.repeat(["A", "B", "C", "D"], 100)
    same = validate_by_site(data, where, np.random.default_rng(0)).pooled.set_index("measure")
    labels = data.labels.copy()
    labels[where == "D"] = np.random.default_rng(1).random(100) < 0.86
    other = replace(data, labels=labels)
    differing = validate_by_site(other, where, np.random.default_rng(0)).pooled.set_index("measure")
    name = "calibration_intercept"
    assert differing.loc[name, "tau"] > same.loc[name, "tau"] + 0.5


def test_a_site_whose_courses_ended_alike_is_measured_with_others_and_lost_from_nothing(made, quick_fits):
    data = made(260)
    where = np.repeat(["A", "B", "C", "site_D", "e", "f"], [80, 70, 60, 24, 16, 10])
    labels = data.labels.copy()
    labels[where == "site_D"] = 0.0
    as_it_is = validate_by_site(data, where, np.random.default_rng(0), (0.3,))
    ended_alike = validate_by_site(replace(data, labels=labels), where, np.random.default_rng(0), (0.3,))
    assert as_it_is.sites["site"].unique().tolist() == ["A", "B", "C", "site_D", SMALLER_SITES]
    assert ended_alike.sites["site"].unique().tolist() == ["A", "B", "C", SMALLER_SITES]
    # It is predicted by a fit of its own all the same.
    for found in (as_it_is, ended_alike):
        assert np.isfinite(found.log_odds).all()
        assert found.sites.drop_duplicates("site")["courses"].sum() == 260
    assert ended_alike.sites.set_index("site").loc[SMALLER_SITES, "courses"].unique().tolist() == [50]
    assert (ended_alike.pooled["sites"] == 4).all()
    assert "site_D: measured with the smaller sites, under 5 with the outcome or without" in ended_alike.notes


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_nothing_is_told_of_few_or_left_over_for_them(seed):
    rng = np.random.default_rng(seed)
    n_sites = int(rng.integers(2, 7))
    names = np.array([f"s{k}" for k in rng.integers(0, n_sites, 150)], dtype=object)
    rate = dict(zip(np.unique(names), rng.choice([0.01, 0.1, 0.5, 0.99], n_sites), strict=False))
    labels = np.array([float(rng.random() < rate[name]) for name in names])
    known = sorted(set(names))
    large = [name for name in known if (names == name).sum() >= 20]
    small = [name for name in known if name not in large]
    own, together = told_apart(large, small, names, labels)
    assert sorted([*own, *together]) == known
    assert set(small) <= set(together)
    rarer = [min(labels[names == name].sum(), (1 - labels[names == name]).sum()) for name in own]
    assert all(count >= 5 for count in rarer)
    if set(together) - set(small) and own:
        rows = np.isin(names, together)
        assert len(together) > 1
        assert min(labels[rows].sum(), (1 - labels[rows]).sum()) >= 5


def test_many_small_sites_are_left_out_in_lots_of_whole_sites(made, monkeypatch):
    data, where = made(120), np.repeat([f"s{k}" for k in range(40)], 3)
    seen = []

    def recording(data_, splits, rng, progress):
        seen.extend(splits)
        return [(np.linspace(-1, 1, len(test)), {}) for _, test in splits]

    monkeypatch.setattr("ketapredict.validate.by_site.fit_and_predict", recording)
    found = validate_by_site(data, where, np.random.default_rng(0))
    assert [len(test) for _, test in seen] == [24] * 5
    assert found.sites["site"].unique().tolist() == [SMALLER_SITES]
    assert found.pooled.empty
    assert any(note.startswith("not pooled: figures of 1") for note in found.notes)


def test_one_site_or_none_is_nothing_to_leave_out(made):
    data = made(50)
    assert validate_by_site(data, np.full(50, "A"), np.random.default_rng(0)) is None
    assert validate_by_site(data, pd.Series([None] * 50, dtype=object).to_numpy(), np.random.default_rng(0)) is None


def test_a_site_without_which_too_little_is_left_is_said(made, quick_fits):
    data = made(100)
    found = validate_by_site(data, np.array(["A"] * 88 + ["B"] * 12), np.random.default_rng(0))
    assert any(note.startswith("A: not left out") for note in found.notes)
    assert found.sites.empty or "A" not in set(found.sites["site"])
