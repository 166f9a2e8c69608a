"""What the options do to simulated courses."""

import numpy as np
import pandas as pd
import pytest

from ketapredict.cohort.protocols import Protocol, TimePoint
from ketapredict.simulate import Scenario, simulate_cohort
from ketapredict.simulate.time_course import design_of, infusion_days

PROTOCOL_NAMES = ("single-infusion", "induction-course", "nimh", "weeks", "twice")


def improvement(table: pd.DataFrame, point: str) -> pd.Series:
    return 1.0 - table[f"score_{point}"] / table["score_baseline"]


def response(table: pd.DataFrame, point: str) -> float:
    return float((improvement(table, point).dropna() >= 0.5).mean())


def test_the_design_is_read_from_the_protocol(protocols):
    designs = {name: design_of(Scenario(protocol=protocol)) for name, protocol in protocols.items()}
    assert designs == {
        "single-infusion": "single",
        "induction-course": "course",
        "nimh": "single",
        "weeks": "gradual",
        "twice": "course",
    }
    assert infusion_days(Scenario()) == (0, 2, 4, 7, 9, 11)
    assert infusion_days(Scenario(protocol=protocols["nimh"])) == (0,)
    assert len(infusion_days(Scenario(protocol=protocols["twice"]))) == 8
    assert infusion_days(Scenario(protocol=protocols["nimh"], design="course")) == (0, 2, 4, 7, 9)


def rated_at(hours: dict[str, float], outcome: str, treatment: str = "ketamine") -> Protocol:
    points = tuple(TimePoint(name, at, (at, at)) for name, at in hours.items())
    return Protocol("made", points, ("pre",), outcome, treatment)


@pytest.mark.parametrize("treatment", ["ketamine", "IV Ketamine", "esketamine"])
def test_ketamine_rated_by_the_week_is_one_infusion_unless_a_course_is_asked_for(treatment):
    weekly = rated_at({"w1": 168, "w2": 336, "w4": 672}, "w4", treatment)
    assert design_of(Scenario(protocol=weekly)) == "single"
    assert infusion_days(Scenario(protocol=weekly)) == (0,)
    assert infusion_days(Scenario(protocol=weekly, design="course")) == (0, 2, 4, 7, 9, 11)
    table = simulate_cohort(4_000, 1, weekly, n_sites=500)
    assert response(table, "w4") < 0.25
    assert table["infusions_planned"].eq(1).all()
    assert ("dose_mg_per_kg" in table) == (treatment != "esketamine")
    assert "infusions_planned" not in simulate_cohort(10, 1, weekly, design="gradual")


def test_a_course_ends_at_its_last_numbered_infusion():
    for after in ({"w4": 672}, {"d12": 288}, {"end": 672}):
        hours = {"24h": 24, "inf2": 72, "inf3": 120} | after
        assert infusion_days(Scenario(protocol=rated_at(hours, next(iter(after))))) == (0, 2, 4), after
    twice_a_week = {"24h": 24, "inf2": 96, "inf4": 264, "w6": 1008}
    days = infusion_days(Scenario(protocol=rated_at(twice_a_week, "w6")))
    np.testing.assert_allclose(days, (0, 3, 6.5, 10))
    # `end` 24 h after a later infusion of the standard days, as in the built-in course.
    assert infusion_days(Scenario(protocol=rated_at({"inf2": 72, "end": 240}, "end"))) == (0, 2, 4, 7, 9)
    assert design_of(Scenario(protocol=rated_at({"inf1": 24, "w1": 168}, "w1"))) == "single"


def test_designs_that_contradict_the_protocol_are_refused(protocols):
    many = {f"inf{k}": 24.0 * 3 * k for k in range(2, 32)}
    for options, words in (
        ({"protocol": rated_at(many, "inf31")}, "at most 30 infusions"),
        ({"protocol": rated_at({"inf2": 24, "end": 72}, "end")}, "after day 0 and in order"),
        ({"protocol": rated_at({"inf3": 72, "inf2": 96, "end": 120}, "end")}, "after day 0 and in order"),
        ({"design": "single"}, "for a protocol with numbered infusions"),
        ({"design": "gradual"}, "for a protocol with numbered infusions"),
        ({"control": "anaesthesia", "control_share": 0.5}, "other than anaesthesia for a course"),
        ({"protocol": protocols["nimh"], "design": "course", "control": "anaesthesia"}, "other than anaesthesia"),
    ):
        with pytest.raises(ValueError, match=words):
            Scenario(**options)
    assert len(infusion_days(Scenario(protocol=rated_at({"inf30": 2400}, "inf30")))) == 30


def test_a_course_accumulates_to_the_end():
    table = simulate_cohort(20_000, 1, n_sites=500)
    rates = [response(table, point) for point in ("24h", "inf2", "inf3", "inf4", "end")]
    assert rates == sorted(rates)
    assert table["infusions_planned"].eq(6).all()
    assert table["dose_mg_per_kg"].eq(0.5).all()


def test_the_effect_of_one_infusion_is_mostly_gone_by_day_ten(protocols):
    table = simulate_cohort(20_000, 0, protocols["nimh"], n_sites=500)
    assert 0.40 < response(table, "d2") < 0.52
    assert 0.10 < response(table, "d10") < 0.30
    assert "cadss_40min" not in table


def test_a_trial_in_weeks_improves_gradually(protocols):
    table = simulate_cohort(20_000, 0, protocols["weeks"], "HAMD-17", n_sites=500)
    rates = [response(table, point) for point in ("w1", "w2", "w4", "w6")]
    assert rates == sorted(rates)
    assert rates[0] < 0.25
    assert 0.42 < rates[-1] < 0.60
    assert "dose_mg_per_kg" not in table


@pytest.mark.parametrize("name", PROTOCOL_NAMES)
@pytest.mark.parametrize("dropout", [0.04, 0.11, 0.20])
def test_who_does_badly_stops_more_often(protocols, drawn, name, dropout):
    protocol = protocols[name]
    table, truth = drawn(Scenario(protocol=protocol, dropout=dropout, n_sites=500), 20_000, 5)
    gone = table[f"score_{protocol.outcome}"].isna()
    assert gone.mean() == pytest.approx(dropout, abs=0.2 * dropout)
    if len(protocol.names) > 1:
        assert truth["response"][gone].mean() < truth["response"][~gone].mean()


@pytest.mark.parametrize("wanted", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("name", ["single-infusion", "induction-course"])
def test_the_early_to_end_correlation_is_what_is_asked_for(protocols, drawn, name, wanted):
    scenario = Scenario(protocol=protocols[name], early_end_correlation=wanted, n_sites=500)
    table, hidden = drawn(scenario, 30_000, 2)
    complete = table.assign(**{f"score_{p}": hidden[f"complete_score_{p}"] for p in scenario.protocol.names})
    found = improvement(complete, "24h").corr(improvement(complete, scenario.protocol.outcome))
    assert found == pytest.approx(wanted, abs=0.05)


def test_covariates_have_gaps_correlate_and_have_known_directions():
    table = simulate_cohort(60_000, 7, n_sites=500)
    for name in ("failed_trials", "failed_ect", "bmi_kg_m2", "family_history_alcohol", "systolic_mmhg"):
        assert 0.04 < table[name].isna().mean() < 0.16
    yes = {name: table[name] == "yes" for name in ("failed_ect", "family_history_alcohol", "anxious_distress")}
    end = improvement(table, "end")
    assert end[yes["failed_ect"]].mean() < end[table["failed_ect"] == "no"].mean() - 0.03
    assert end[yes["family_history_alcohol"]].mean() > end[table["family_history_alcohol"] == "no"].mean() + 0.01
    assert end[yes["anxious_distress"]].mean() > end[table["anxious_distress"] == "no"].mean()
    assert table["bmi_kg_m2"].corr(end) > 0.01
    assert abs(end[table["sex"] == "female"].mean() - end[table["sex"] == "male"].mean()) < 0.01
    assert table["failed_trials"].corr(yes["failed_ect"].astype(float)) > 0.1
    assert table["systolic_mmhg"].corr(table["bmi_kg_m2"]) > 0.1
    assert table["systolic_mmhg"].corr(table["age_years"]) > 0.2
    pulse = (table["systolic_mmhg"] - table["diastolic_mmhg"]).dropna()
    assert (pulse > 0).all()
    assert pulse.value_counts(normalize=True).loc[lambda share: share.index <= 25].max() < 0.01  # no pile
    assert 0.6 <= table["systolic_mmhg"].corr(table["diastolic_mmhg"]) <= 0.7
    ill_for = table["age_years"] - table["onset_age_years"]
    assert ill_for.min() >= 1
    assert (ill_for == 1).mean() < 0.02
    assert (ill_for >= table["failed_trials"] / 4)[ill_for.notna() & table["failed_trials"].notna()].all()
    illness_months = 12 * (table["age_years"] - table["onset_age_years"])
    assert not (table["episode_months"] > illness_months).any()
    assert table["episode_months"].min() >= 1
    bipolar = table["diagnosis"] != "MDD"
    assert (table["mood_stabilizer"][bipolar] == "yes").mean() > 0.7
    assert (table["mood_stabilizer"][~bipolar] == "yes").mean() < 0.2


def test_dissociation_is_sometimes_zero_and_sometimes_missing():
    table = simulate_cohort(20_000, 7, control="midazolam", control_share=0.5, setting="trial")
    zeros = (table["cadss_40min"] == 0).groupby(table["arm"]).mean()
    assert 0.03 < zeros["ketamine"] < 0.15
    assert 0.3 < zeros["control"] < 0.6
    assert 0.04 < table["cadss_40min"].isna().mean() < 0.12
    assert simulate_cohort(2_000, 7, missing_share=0.0)["cadss_40min"].notna().all()


def test_sites_differ_as_published_clinics_do():
    """The same drug gives 26% and 54% in two clinics (Pfeiffer 2024, McInnes 2022)."""
    table = simulate_cohort(40_000, 11, scale="PHQ-9", n_sites=40)
    responded = (improvement(table, "end") >= 0.5).groupby(table["site"]).mean()
    assert 0.2 < responded.max() - responded.min() < 0.6


def test_self_ratings_trail_the_clinician(protocols):
    clinician = simulate_cohort(20_000, 3, n_sites=500, setting="trial")
    own = simulate_cohort(20_000, 3, scale="QIDS-SR16", n_sites=500, setting="trial")
    assert response(own, "end") < response(clinician, "end") - 0.03


def test_controls_and_blinding_lower_the_response():
    arms = {}
    for control in ("midazolam", "saline"):
        table = simulate_cohort(20_000, 3, control=control, control_share=0.5, n_sites=500, setting="trial")
        arms[control] = response(table[table["arm"] == "control"], "end")
        blinded = response(table[table["arm"] == "ketamine"], "end")
    assert arms["saline"] < arms["midazolam"] < blinded
    assert blinded < response(simulate_cohort(20_000, 3, n_sites=500, setting="trial"), "end") - 0.05


def test_classes_are_a_mixture(drawn):
    table, truth = drawn(Scenario(n_sites=500), 20_000, 1)
    gain = improvement(table, "end").groupby(truth["class_course"]).mean()
    assert gain["robust"] > 0.7 > gain["partial"] > 0.35 > gain["none"]
    assert np.abs(truth["class_course"].value_counts(normalize=True)["robust"] - 0.36) < 0.02
