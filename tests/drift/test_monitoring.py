import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.conftest import SHORT_PROTOCOL
from typer.testing import CliRunner

from ketapredict import monitor
from ketapredict.cli.app import app
from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.cohort.read import cohort_from_frame
from ketapredict.drift.page import comparison_table, to_page
from ketapredict.errors import CohortError, ModelError
from ketapredict.fitting import fit_response_model, with_profiles
from ketapredict.response_model import ResponseModel
from ketapredict.simulate import simulate_cohort

TRAINING = 150


@pytest.fixture(scope="module")
def population() -> pd.DataFrame:
    """Courses of the same clinics: any two samples of them differ by chance alone."""
    return simulate_cohort(6000, 5, SHORT_PROTOCOL)


def sample(population: pd.DataFrame, size: int, rng: np.random.Generator) -> Cohort:
    return cohort_from_frame(population.sample(size, random_state=rng), SHORT_PROTOCOL)


@pytest.fixture(scope="module")
def model(population: pd.DataFrame) -> ResponseModel:
    return fit_response_model(cohort_from_frame(population.head(TRAINING), SHORT_PROTOCOL), seed=1)[0]


@pytest.fixture(scope="module")
def others(population: pd.DataFrame) -> pd.DataFrame:
    return population.iloc[TRAINING:]


@pytest.mark.slow
def test_whole_runs_without_drift_are_silent(model: ResponseModel, population: pd.DataFrame) -> None:
    """The chance of one alarm or more in a run; `benchmarks/drift_alarms.py` measures it with more runs.

    Each run has training courses and new courses of its own; the committee is fitted once.
    """
    rng = np.random.default_rng(1)
    alarms = dict.fromkeys((20, 50, 200), 0)
    runs = 16
    for run in range(runs):
        rows = rng.permutation(len(population))
        training = cohort_from_frame(population.iloc[rows[:TRAINING]], SHORT_PROTOCOL)
        profiled = ResponseModel(with_profiles(model.bundle, training))
        for size in alarms:
            new = sample(population.iloc[rows[TRAINING:]], size, rng)
            alarms[size] += bool(monitor(profiled, new, seed=run).alarms)
    assert max(alarms.values()) <= stats.binom.ppf(0.999, runs, 0.05)


def test_what_drifted_is_named(model: ResponseModel, others: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    new = sample(others, 150, rng)
    table = new.table.copy()
    table["age_years"] = np.clip(table["age_years"] + 12, 12, 100)
    table.loc[rng.random(150) < 0.5, "bmi_kg_m2"] = np.nan
    table["score_7d"] = table["score_baseline"]
    found = monitor(model, replace(new, courses=CourseColumns.of_table(table)))
    named = {(alarm.kind, alarm.name) for alarm in found.alarms}
    assert {("input", "age_years"), ("missing", "bmi_kg_m2"), ("calibration", "response")} <= named
    assert not {name for kind, name in named if kind in ("input", "missing")} - {"age_years", "bmi_kg_m2"}
    words = " ".join(alarm.words for alarm in found.alarms)
    assert "age: " in words
    assert "mostly higher" in words
    assert "body mass index: missing in" in words
    assert "fewer of the new courses than expected" in words
    page = to_page(found)
    assert page.index("SIMULATED") < page.index("Drift")
    assert "<script" not in page
    assert "simulated-0" not in page
    assert page.count("<svg") == 2 * len(found.estimates) > 0
    assert re.search(r"<desc[^>]*>[^<]*age \d+% \(alarm\)", page)
    for counted in found.estimates.values():
        assert sum(counted.new) <= found.courses
        assert len(counted.new) == len(counted.training) == len(counted.edges) + 1
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_without_outcomes_and_with_few_courses(model: ResponseModel, others: pd.DataFrame) -> None:
    new = sample(others, 40, np.random.default_rng(1))
    table = new.table.assign(score_7d=np.nan)
    found = monitor(model, replace(new, courses=CourseColumns.of_table(table)))
    assert not found.outcomes
    assert any("no outcomes yet" in note for note in found.notes)
    assert not any(comparison.kind == "calibration" for comparison in found.comparisons)
    with pytest.raises(CohortError, match="at least 5 courses"):
        monitor(model, new.subset(np.arange(40) < 4))


def test_the_same_seed_gives_the_same_answer(model: ResponseModel, others: pd.DataFrame) -> None:
    new = sample(others, 60, np.random.default_rng(2))
    first, second = (monitor(model, new, seed=4) for _ in range(2))
    assert first.to_plain() == second.to_plain()
    assert comparison_table(first).equals(comparison_table(second))


def test_a_model_without_profiles_is_refused(model: ResponseModel, others: pd.DataFrame) -> None:
    bare = replace(model.bundle, landmarks=tuple(replace(m, profile=None) for m in model.bundle.landmarks))
    with pytest.raises(ModelError, match="Train it again"):
        monitor(ResponseModel(bare), sample(others, 30, np.random.default_rng(3)))


def test_a_model_of_evidence_has_no_training_courses(others: pd.DataFrame) -> None:
    evidence = ResponseModel.load("evidence/induction-course")
    with pytest.raises(ModelError, match="published evidence and has none"):
        monitor(evidence, sample(others, 30, np.random.default_rng(3)))


def test_control_courses_do_not_count(model: ResponseModel, others: pd.DataFrame) -> None:
    new = sample(others, 40, np.random.default_rng(4))
    arms = pd.Categorical(["control"] * 30 + ["ketamine"] * 10, categories=["control", "ketamine"])
    found = monitor(model, replace(new, courses=CourseColumns.of_table(new.table.assign(arm=arms))))
    assert found.courses <= 10
    assert "30 control courses left out" in found.notes


def test_the_command(model: ResponseModel, others: pd.DataFrame, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    others.head(80).to_csv(tmp_path / "new.csv", index=False)
    others.head(80).assign(age_years=19).to_csv(tmp_path / "young.csv", index=False)
    runner = CliRunner()
    arguments = ["--model", str(tmp_path / "model")]
    silent = runner.invoke(app, ["monitor", str(tmp_path / "new.csv"), *arguments])
    assert silent.exit_code == 0, silent.output
    assert silent.stdout.startswith("SIMULATED")
    assert "No alarm." in silent.stdout
    page = tmp_path / "drift.html"
    loud = runner.invoke(app, ["monitor", str(tmp_path / "young.csv"), *arguments, "--json", "--output", str(page)])
    assert loud.exit_code == 1
    told = json.loads(loud.stdout)
    assert any("age" in alarm for alarm in told["alarms"])
    assert told["comparisons"][0].keys() >= {"p_value", "adjusted_p_value", "alarm", "share"}
    assert "age: " in page.read_text("utf-8")
