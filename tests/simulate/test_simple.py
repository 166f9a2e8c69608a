"""The simple simulator: a valid cohort table for any protocol and scale, near the evidence."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketapredict.cohort.columns import declared_columns
from ketapredict.cohort.protocols import BUILT_IN, Protocol, load_protocol
from ketapredict.cohort.scales import SCALES
from ketapredict.errors import CohortError
from ketapredict.simulate import simulate_cohort

NIMH = """
name = "nimh"
landmarks = ["pre", "d2"]
outcome = "d10"
[[time_point]]
name = "d2"
hours = 60
window_hours = [36, 84]
[[time_point]]
name = "d10"
hours = 246
window_hours = [216, 288]
"""
WEEKS_HEAD = """
name = "weeks"
active_treatment = "drug"
landmarks = ["pre", "w1", "w2"]
outcome = "w6"
"""
WEEKS = WEEKS_HEAD + "".join(
    f'[[time_point]]\nname = "w{week}"\nhours = {168 * week}\nwindow_hours = [{168 * week - 72}, {168 * week + 72}]\n'
    for week in (1, 2, 4, 6)
)


@pytest.fixture(scope="session")
def protocols(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Protocol]:
    folder = tmp_path_factory.mktemp("protocols")
    read = dict(BUILT_IN)
    for name, text in (("nimh", NIMH), ("weeks", WEEKS)):
        (folder / f"{name}.toml").write_text(text)
        read[name] = load_protocol(folder / f"{name}.toml")
    return read


def improvement(table: pd.DataFrame, point: str) -> pd.Series:
    return 1.0 - table[f"score_{point}"] / table["score_baseline"]


def response(table: pd.DataFrame, point: str) -> float:
    seen = improvement(table, point).dropna()
    return float((seen >= 0.5).mean())


@given(
    protocol=st.sampled_from(["single-infusion", "induction-course", "nimh", "weeks"]),
    scale=st.sampled_from(sorted(SCALES)),
    n_courses=st.integers(1, 300),
    n_sites=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_tables_agree_with_the_declarations(protocols, protocol, scale, n_courses, n_sites, seed):
    table = simulate_cohort(n_courses, seed, protocols[protocol], scale, n_sites)
    declared = declared_columns(protocols[protocol])
    assert len(table) == n_courses
    assert set(table) <= set(declared)
    assert {f"score_{point}" for point in protocols[protocol].names} <= set(table)
    assert "arm" not in table
    assert table["course_id"].is_unique
    assert table["patient_id"].is_unique
    assert table["site"].nunique() <= n_sites
    assert (table["scale"] == scale).all()
    for name in table:
        column, cells = declared[name], table[name].dropna()
        if column.required:
            assert len(cells) == n_courses
        match column.kind:
            case "level":
                assert set(cells) <= set(column.levels)
            case "yes_no":
                assert set(cells) <= {"yes", "no"}
            case "text":
                assert all(isinstance(cell, str) and cell for cell in cells)
            case "score":
                assert cells.between(0, SCALES[scale].maximum).all()
                assert (cells % 1 == 0).all()
            case "number":
                assert cells.between(column.minimum or 0, np.inf if column.maximum is None else column.maximum).all()
    assert (table["score_baseline"] > (SCALES[scale].remission_cut or 0)).all()
    assert (table["onset_age_years"].dropna() <= table["age_years"][table["onset_age_years"].notna()]).all()
    highest = SCALES[scale].suicidality_maximum
    assert ("suicidality_item" in table) == (highest is not None)
    if highest is not None:
        assert table["suicidality_item"].between(0, highest).all()
    for point in protocols[protocol].time_points:
        if SCALES[scale].rater == "self" and point.hours < 24:
            assert table[f"score_{point.name}"].isna().all()


@pytest.mark.parametrize("name", ["single-infusion", "induction-course", "nimh", "weeks"])
def test_the_same_seed_gives_the_same_bytes(protocols, name):
    first, again, other = (simulate_cohort(200, seed, protocols[name]).to_csv() for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_infusion_is_near_the_evidence(protocols, seed):
    table = simulate_cohort(20_000, seed, protocols["single-infusion"])
    assert response(table, "40min") < 0.25
    assert 0.40 < response(table, "24h") < 0.52
    assert 0.40 < response(table, "72h") < 0.52
    assert 0.25 < response(table, "7d") < 0.40
    assert 0.40 < improvement(table, "24h").corr(improvement(table, "7d")) < 0.60
    change = table["score_24h"] - table["score_baseline"]
    assert -17 < change.mean() < -10
    assert 9 < change.std() < 12


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_course_accumulates_to_the_end(protocols, seed):
    table = simulate_cohort(20_000, seed)
    rates = [response(table, point) for point in ("24h", "inf2", "inf3", "inf4", "end")]
    assert rates == sorted(rates)
    assert 0.20 < rates[0] < 0.36
    assert 0.44 < rates[-1] < 0.56
    assert 0.40 < improvement(table, "24h").corr(improvement(table, "end")) < 0.65
    assert table["infusions_planned"].eq(6).all()
    assert table["dose_mg_per_kg"].eq(0.5).all()


def test_the_effect_of_one_infusion_is_mostly_gone_by_day_ten(protocols):
    table = simulate_cohort(20_000, 0, protocols["nimh"])
    assert 0.40 < response(table, "d2") < 0.52
    assert 0.10 < response(table, "d10") < 0.30
    assert "cadss_40min" not in table


def test_a_trial_in_weeks_improves_gradually(protocols):
    table = simulate_cohort(20_000, 0, protocols["weeks"], "HAMD-17")
    rates = [response(table, point) for point in ("w1", "w2", "w4", "w6")]
    assert rates == sorted(rates)
    assert rates[0] < 0.25
    assert 0.42 < rates[-1] < 0.56
    assert "dose_mg_per_kg" not in table


@pytest.mark.parametrize("name", ["single-infusion", "induction-course", "nimh", "weeks"])
def test_about_eleven_in_a_hundred_lack_the_outcome_and_they_did_worse(protocols, name):
    protocol = protocols[name]
    table = simulate_cohort(20_000, 5, protocol)
    gone = table[f"score_{protocol.outcome}"].isna()
    assert 0.09 < gone.mean() < 0.13
    if protocol.names[0] != "w1":
        early = improvement(table, protocol.names[0])
        assert early[gone].mean() < early[~gone].mean()


def test_covariates_have_gaps_and_known_directions():
    table = simulate_cohort(40_000, 7)
    for name in ("failed_trials", "failed_ect", "bmi_kg_m2", "family_history_alcohol", "systolic_mmhg"):
        assert 0.04 < table[name].isna().mean() < 0.16
    end = improvement(table, "end")
    assert end[table["failed_ect"] == "yes"].mean() < end[table["failed_ect"] == "no"].mean() - 0.02
    assert end[table["family_history_alcohol"] == "yes"].mean() > end[table["family_history_alcohol"] == "no"].mean()
    assert abs(end[table["sex"] == "female"].mean() - end[table["sex"] == "male"].mean()) < 0.015
    bipolar = table["diagnosis"] != "MDD"
    assert (table["mood_stabilizer"][bipolar] == "yes").mean() > 0.7
    assert (table["mood_stabilizer"][~bipolar] == "yes").mean() < 0.2


def test_sites_differ():
    table = simulate_cohort(20_000, 11)
    responded = (improvement(table, "end") >= 0.5).groupby(table["site"]).mean()
    assert responded.max() - responded.min() > 0.03


def test_what_cannot_be_simulated_is_refused():
    with pytest.raises(CohortError):
        simulate_cohort(10, 1, scale="GAF")
    with pytest.raises(ValueError, match="at least one course"):
        simulate_cohort(0, 1)
