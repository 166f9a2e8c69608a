"""Simulated cohorts agree with what is published: the fidelity report, and the ten facts one by one."""

import numpy as np
import pytest

from ketapredict.simulate import statistics as stat
from ketapredict.simulate.evidence import COMPARED_CERTAINTY, TARGET_TAGS, compared_targets, evidence_table
from ketapredict.simulate.fidelity import COLUMNS, fidelity_table, misses, summary
from ketapredict.simulate.fidelity_arms import FIGURES, between_clinic_spread
from ketapredict.simulate.fidelity_targets import OUTSIDE, TARGETS
from ketapredict.simulate.imitations import Imitations

SINGLE, SALINE, OPEN = "single, midazolam trial", "single, saline trial", "course, open research"
QIDS, PHQ = "course, clinic, QIDS", "course, clinic, PHQ-9"
# What the model is known not to meet; the reasons are in docs/simulation.md.
KNOWN_MISSES = {"andrashko2020: response in week 1", "murrough2013_rep: change 2 h"}


@pytest.fixture(scope="module")
def made() -> Imitations:
    return Imitations(25_000, 10)


def assert_faithful(table):
    assert misses(table, "high") == []
    assert set(misses(table)) == KNOWN_MISSES
    compared = table[table["inside"] != ""]
    assert (compared["inside"] == "yes").mean() >= 0.9
    assert set(table.loc[table["inside"] == "", "figure"]) == set(OUTSIDE)


def test_every_target_that_should_be_compared_is():
    targets = compared_targets()
    assert set(targets["target"]) == set(TARGETS) - {"d14_still_responding_single", "AUC_with_early_score"} | set(
        OUTSIDE
    )
    assert set(targets["certainty"]) == set(COMPARED_CERTAINTY)
    assert set(targets["verification"]) <= set(TARGET_TAGS)


def test_the_report_names_what_it_compares():
    table = fidelity_table(3_000, 1)
    assert tuple(table) == COLUMNS
    assert set(table["inside"]) <= {"yes", "no", ""}
    assert table["source"].str.len().gt(0).all()
    for name in misses(table):
        assert name in summary(table)
    assert {"pre", "24h"} == {row.rsplit(" ", 1)[1] for row in table.loc[table["kind"] == "requirement", "figure"]}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_fidelity_at_three_seeds(seed):
    assert_faithful(fidelity_table(60_000, seed))


def test_compared_arms_are_confirmed():
    arms = evidence_table("arms").set_index("arm_id")
    for figure in FIGURES:
        arm = arms.loc[figure.arm]
        assert arm["n_confirmed"] == "yes", figure.arm
        if "remission" in figure.label:
            assert arm["remission_confirmed"] == "yes", figure.arm
            assert float(arm["remission_pct"]) == figure.published or figure.label == "remission 24 h"
        elif figure.spread is None:
            assert arm["response_confirmed"] == "yes" or figure.arm == "pmc10810879_ket", figure.arm
            if figure.label in ("response end", "response 6 weeks"):
                assert float(arm["response_pct"]) == figure.published


def test_the_spread_between_clinics():
    """By hand: log-odds of 27, 50, 53.6 and 26% with n of 213, 424, 537 and 215."""
    assert between_clinic_spread() == pytest.approx(0.574, abs=0.001)


def test_fact_1_one_infusion_brings_response_to_about_45_percent(made):
    assert 40 < stat.response(made[SINGLE], "24h") < 52


def test_fact_2_the_control_decides_the_contrast(made):
    assert 18 <= stat.response(made[SINGLE], "24h", control=True) <= 28
    assert 1 <= stat.response(made[SALINE], "24h", control=True) <= 9
    assert 0.5 <= stat.effect_size(made[SINGLE], "24h") <= 0.7
    assert 0.9 <= stat.effect_size(made[SALINE], "24h") <= 1.8
    for control in (False, True):
        assert 48 <= stat.response(made["single, anaesthesia trial"], "24h", control=control) <= 62


def test_fact_3_the_effect_starts_peaks_and_fades(made):
    points = ("40min", "2h", "4h", "24h", "72h", "7d", "10d", "14d")
    effects = {point: stat.effect_size(made[SALINE], point) for point in points}
    assert 0.3 < effects["40min"] < effects["2h"] < effects["4h"] < effects["24h"]
    assert effects["24h"] == pytest.approx(max(effects.values()), abs=0.1)
    assert effects["7d"] < 0.85 * effects["24h"]
    assert effects["14d"] < 0.45 * effects["24h"]
    over_time = [stat.response(made[SINGLE], point) for point in ("24h", "72h", "7d", "14d")]
    assert over_time[1] < over_time[0] + 2  # 24 h and 72 h: 52 and 48%, here alike but for the draw
    assert over_time[1:] == sorted(over_time[1:], reverse=True)
    assert 7 <= over_time[-1] <= 22


def test_fact_4_repeated_infusions_accumulate(made):
    ratings = ("24h", "inf2", "inf3", "inf4", "inf5", "end")
    assert 2 <= stat.infusions_to_response(made[OPEN], ratings) <= 4
    assert 55 <= stat.response(made[OPEN], "end") <= 72
    rates = [stat.response(made[OPEN], point) for point in ratings]
    assert rates == sorted(rates)


def test_fact_5_routine_care_with_self_report_is_lower(made):
    for name in (QIDS, PHQ, "course, clinic, PHQ-9, six weeks"):
        assert 25 <= stat.response(made[name], "end") <= 55
    assert 13 <= stat.remission(made[QIDS], "end", 5) <= 30
    assert 13 <= stat.remission(made[PHQ], "end", 4) <= 30


def test_fact_6_blinded_repeated_trials_are_modest(made):
    trial = made["course, midazolam trial"]
    active, control = stat.response(trial, "end"), stat.response(trial, "end", control=True)
    assert 30 <= active <= 60
    assert 5 < active - control < 30
    assert active < stat.response(made[OPEN], "end")


def test_fact_7_two_misses_do_not_rule_out_benefit(made):
    assert 45 <= stat.late_improvers(made[QIDS], ("24h", "inf2"), "end") <= 65
    mixed = made["course, open research, mixed"]
    assert stat.sensitivity(mixed, "inf3", "end") > 0.85
    assert stat.sensitivity(mixed, "inf4", "end") > 0.9


def test_fact_8_baseline_variables_predict_poorly(made):
    trial = made[OPEN]
    gain, table = trial.improvement("end"), trial.table
    assert abs(stat.sex_difference(trial, "end")) < 0.1
    for name, sign in {
        "failed_ect": -1,
        "melancholic_features": -1,
        "family_history_alcohol": 1,
        "anxious_distress": 1,
    }.items():
        yes, no = ((table[name] == answer).to_numpy() for answer in ("yes", "no"))
        assert sign * (np.nanmean(gain[yes]) - np.nanmean(gain[no])) > 0, name
    age = table["age_years"].to_numpy(float)
    rated = {point: ~np.isnan(trial.improvement(point)) for point in ("24h", "end")}
    slope = {point: np.polyfit(age[rows], trial.improvement(point)[rows], 1)[0] for point, rows in rated.items()}
    assert slope["24h"] < 2 * min(slope["end"], 0) < 0.001  # slows, does not cap
    trials = table["failed_trials"].to_numpy(float)
    remitted = trial.score("end") <= 9
    assert remitted[trials >= 6].mean() < remitted[trials <= 3].mean()


def test_fact_9_bipolar_depression_does_at_least_as_well(made):
    any_time = ("40min", "2h", "4h", "24h", "48h", "72h", "7d", "10d", "14d")
    bipolar, unipolar = made["single, bipolar, saline trial"], made[SALINE]
    assert stat.response(bipolar, "24h") > stat.response(unipolar, "24h") - 1
    found = stat.response_at_any(bipolar, any_time)
    assert 55 < found < 85
    assert found > stat.response(bipolar, "24h") + 10


def test_fact_10_blood_pressure_and_dissociation_at_40_minutes(made):
    assert 50 <= stat.hypertension(made[QIDS], 60) <= 80
    assert stat.hypertension(made[QIDS], 18) < stat.hypertension(made[QIDS], 60)
    trial = made[SINGLE]
    dissociation = trial.table["cadss_40min"].to_numpy(float)
    assert np.median(dissociation[~trial.control]) > 2 * np.median(dissociation[trial.control])
    assert 0.05 < stat.dissociation_correlation(trial, "4h") < 0.35
