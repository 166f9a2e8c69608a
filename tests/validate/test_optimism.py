"""Optimism: an explicit loop, and the truth on new courses."""

import numpy as np
import pytest

from ketapredict.validate.logistic import expit
from ketapredict.validate.measures import MEASURES
from ketapredict.validate.optimism import optimism_table
from ketapredict.validate.refits import Refits, bootstrap_refits

from .conftest import quick_committee


def test_it_is_harrells_loop(made, quick_fits):
    data = made(100)
    refits = bootstrap_refits(data, np.random.default_rng(0), 25)
    table = optimism_table(refits).set_index("measure")
    assert list(table.index) == list(MEASURES)
    y = data.labels
    for name, measure in MEASURES.items():
        inside, outside = [], []
        for counts, log_odds in zip(refits.counts.astype(int), refits.log_odds, strict=True):
            rows = np.repeat(np.arange(100), counts)
            inside.append(measure.function(y[rows], expit(log_odds[rows]), None))
            outside.append(measure.function(y, expit(log_odds), None))
        optimism = np.mean(inside) - np.mean(outside)
        row = table.loc[name]
        assert row["optimism"] == pytest.approx(optimism, abs=1e-7)
        assert row["corrected"] == pytest.approx(measure.function(y, expit(refits.apparent), None) - optimism, abs=1e-7)
        shift = row["corrected"] - np.mean(inside)
        if name.startswith("calibration"):
            assert np.isnan(row[["low", "high"]].to_numpy(float)).all()
            continue
        assert row["low"] == pytest.approx(np.percentile(inside, 2.5) + shift, abs=1e-7)
        assert row["failed"] == 0


def test_the_corrected_figures_are_nearer_to_those_on_new_courses(made, quick_fits):
    new = made(5000, seed=99)
    apparent, corrected, true = [], [], []
    for seed in range(12):
        data = made(60, seed=seed)
        table = optimism_table(bootstrap_refits(data, np.random.default_rng(seed), 25)).set_index("measure")
        p = expit(quick_committee(data, np.random.default_rng(0)).log_odds(new))
        names = ["auc", "log_loss", "calibration_slope"]
        apparent.append(table.loc[names, "apparent"].to_numpy())
        corrected.append(table.loc[names, "corrected"].to_numpy())
        true.append([MEASURES[name].function(new.labels, p, None) for name in names])
    bias_before = np.mean(np.array(apparent) - true, axis=0)
    bias_after = np.mean(np.array(corrected) - true, axis=0)
    assert (np.abs(bias_after) < np.abs(bias_before)).all()


def test_632_is_the_formula_of_efron_and_tibshirani(made, quick_fits):
    data = made(100)
    refits = bootstrap_refits(data, np.random.default_rng(0), 25)
    table = optimism_table(refits).set_index("measure")
    y, reported = data.labels, expit(refits.apparent)
    outside = [
        ((y - expit(log_odds)) ** 2)[counts == 0].mean()
        for counts, log_odds in zip(refits.counts, refits.log_odds, strict=True)
    ]
    error, new = ((y - reported) ** 2).mean(), np.mean(outside)
    no_information = np.mean([(a - b) ** 2 for a in y for b in reported])
    relative = (new - error) / (no_information - error)
    weight = 0.632 / (1 - 0.368 * relative)
    assert table.loc["brier", "out_of_sample"] == pytest.approx(new)
    assert table.loc["brier", "corrected_632"] == pytest.approx((1 - weight) * error + weight * new)
    # A measure learnt by heart counts by the courses out of the sample alone.
    by_heart = Refits((2 * y - 1) * 9, np.zeros((5, 100)), np.tile([2.0, 0.0], (5, 50)), y, data.patients)
    assert optimism_table(by_heart).set_index("measure").loc["auc", "corrected_632"] == pytest.approx(0.5)


def test_measures_without_enough_events_are_empty():
    rng = np.random.default_rng(0)
    y = (np.arange(40) < 4).astype(float)
    refits = Refits(rng.normal(size=40), rng.normal(size=(5, 40)), np.ones((5, 40)), y, np.arange(40))
    table = optimism_table(refits).set_index("measure")
    assert table.loc["calibration_slope"].isna()[["apparent", "corrected", "low", "corrected_632"]].all()
    assert table.loc["calibration_slope", "failed"] == 5
    assert np.isfinite(table.loc["brier", "corrected"])
