"""The simulated table: valid for any protocol, scale and option; the same seed gives the same bytes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketapredict.cohort.columns import declared_columns
from ketapredict.cohort.read import read_cohort
from ketapredict.cohort.scales import SCALES
from ketapredict.errors import CohortError
from ketapredict.simulate import Scenario, courses, simulate_cohort, simulate_with_truth, write_cohort, write_truth
from ketapredict.simulate.time_course import design_of

PROTOCOL_NAMES = ("single-infusion", "induction-course", "nimh", "weeks", "twice")


@given(
    protocol=st.sampled_from(PROTOCOL_NAMES),
    scale=st.sampled_from(sorted(SCALES)),
    n_courses=st.integers(1, 300),
    n_sites=st.integers(1, 200),
    seed=st.integers(0, 2**32 - 1),
    options=st.fixed_dictionaries(
        {
            "setting": st.sampled_from(["clinic", "trial"]),
            "control": st.sampled_from(["midazolam", "saline", "anaesthesia"]),
            "control_share": st.floats(0, 1),
            "dropout": st.floats(0.04, 0.2),
            "missing_share": st.floats(0, 0.5),
            "early_end_correlation": st.floats(0.3, 0.8),
        }
    ),
)
@settings(max_examples=60, deadline=None)
def test_tables_agree_with_the_declarations(protocols, protocol, scale, n_courses, n_sites, seed, options):
    if design_of(Scenario(protocol=protocols[protocol])) == "course" and options["control"] == "anaesthesia":
        options = options | {"control": "saline"}
    table = simulate_cohort(n_courses, seed, protocols[protocol], scale, n_sites, **options)
    declared = declared_columns(protocols[protocol])
    assert len(table) == n_courses
    assert set(table) <= set(declared)
    assert {f"score_{point}" for point in protocols[protocol].names} <= set(table)
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


def test_by_default_there_is_one_arm():
    assert "arm" not in simulate_cohort(10, 1)


@pytest.mark.parametrize("name", PROTOCOL_NAMES)
def test_the_same_seed_gives_the_same_bytes(protocols, name):
    first, again, other = (simulate_cohort(200, seed, protocols[name]).to_csv() for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_streamed_file_is_the_frame_in_chunks(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(courses, "CHUNK_COURSES", 70)
    scenario = Scenario(control="saline", control_share=0.5)
    files = [tmp_path / f"{number}.{ending}" for number in range(2)]
    for file in files:
        write_cohort(scenario, 200, 5, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    expected = simulate_cohort(200, 5, control="saline", control_share=0.5)
    read = pd.read_parquet(files[0]) if ending == "parquet" else pd.read_csv(files[0])
    pd.testing.assert_frame_equal(read, expected, check_dtype=False)
    assert read_cohort(files[0]).counts.accepted == 200


def test_truth_is_written_for_the_same_courses(tmp_path, monkeypatch):
    monkeypatch.setattr(courses, "CHUNK_COURSES", 70)
    write_truth(Scenario(), 150, 5, tmp_path / "truth.parquet")
    truth = pd.read_parquet(tmp_path / "truth.parquet")
    table, same = simulate_with_truth(Scenario(), 150, 5)
    pd.testing.assert_frame_equal(truth, same, check_dtype=False)
    assert truth["course_id"].tolist() == table["course_id"].tolist()


@pytest.mark.slow
def test_a_million_courses_stream_within_a_minute_and_two_gigabytes(tmp_path):
    import subprocess
    import sys

    code = (
        "import resource, sys, time; from pathlib import Path; from ketapredict.simulate import *\n"
        "start = time.perf_counter(); write_cohort(Scenario(), 1_000_000, 1, Path(sys.argv[1]))\n"
        "print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "big.parquet")]
    seconds, gigabytes = map(float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert seconds < 60
    assert gigabytes < 2


def test_what_cannot_be_simulated_is_refused(protocols):
    with pytest.raises(CohortError):
        simulate_cohort(10, 1, scale="GAF")
    with pytest.raises(ValueError, match="at least one course"):
        simulate_cohort(0, 1)
    for options, words in (
        ({"n_sites": 0}, "at least one site"),
        ({"dropout": 0.5}, "a dropout from 0.04 to 0.20"),
        ({"early_end_correlation": 0.9}, "an early-to-end correlation"),
        ({"control_share": 0.5}, "0 without a control"),
        ({"diagnosis_shares": (0.5, 0.1, 0.1, 0.1)}, "sum to 1"),
        ({"setting": "ward"}, "a setting out of clinic, trial"),
        ({"infusion_days": (1.0, 2.0)}, "from day 0"),
    ):
        with pytest.raises(ValueError, match=words):
            Scenario(**options)
