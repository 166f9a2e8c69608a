"""A long input too large for memory is scored as one that fits is: same rows, rejects and counts."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.score.conftest import resize, results
from tests.score.test_faults import StoppedError

from ketapredict.cohort import out_of_core, spool
from ketapredict.errors import CohortError, FileError
from ketapredict.score import unfinished
from ketapredict.score.files import score_file

MAPPING = """
[constants]
scale = "MADRS"
diagnosis = "MDD"

[columns]
age_years = "age"
sex = { from = "sex", levels = { F = "female", M = "male" } }

[[course]]
course_id = "{subject}"
where = "analysed == 1"

[course.visits]
label = "visit"
score = "score"

[course.visits.points]
baseline = "day 0"
24h = "day 1"
72h = "day 3"
7d = "day 7"
"""


@pytest.fixture(scope="module")
def long_table() -> pd.DataFrame:
    """150 courses, rows in no order; some break a rule of the cohort, some one of the model."""
    rng = np.random.default_rng(3)
    rows = []
    for number in range(150):
        baseline = 900 if number % 17 == 0 else int(rng.integers(20, 45))
        scores = {"day 0": baseline, "day 1": rng.integers(5, 30), "day 3": rng.integers(5, 30), "day 9": 3}
        if number % 13 == 0:
            scores = {"day 0": baseline}
        common = (f"p{number:03d}", int(rng.integers(20, 60)), "FM"[number % 2], int(number % 19 != 0))
        rows += [(*common, visit, score) for visit, score in scores.items()]
    rows.append(rows[40])
    table = pd.DataFrame(rows, columns=["subject", "age", "sex", "analysed", "visit", "score"])
    return table.iloc[rng.permutation(len(table))]


def scored(source: Path, output: Path, model, **options) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    score_file(source, output, model, mapping=source.with_name("trial.toml"), **options)
    rejects = pd.read_csv(output.with_name(f"{output.name}.rejects.csv"), dtype=str)
    manifest = json.loads(output.with_name(f"{output.name}.manifest.json").read_text())
    table = pd.read_csv(output) if output.suffix == ".csv" else pd.read_parquet(output)
    return table, rejects.sort_values([*rejects.columns], ignore_index=True), manifest


@pytest.fixture
def trial(long_table, tmp_path) -> Path:
    long_table.to_csv(tmp_path / "trial.csv", index=False)
    long_table.to_parquet(tmp_path / "trial.parquet", index=False)
    (tmp_path / "trial.toml").write_text(MAPPING)
    return tmp_path


@pytest.mark.parametrize("name", ["trial.csv", "trial.parquet"])
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_the_same_as_in_memory(trial, short_model, monkeypatch, name, ending):
    table, rejects, manifest = scored(trial / name, trial / f"memory{ending}", short_model)
    monkeypatch.setattr(out_of_core, "is_large", lambda *_: True)
    by_disk = scored(trial / name, trial / f"disk{ending}", short_model, rows_at_once=16)
    pd.testing.assert_frame_equal(by_disk[0], table)
    pd.testing.assert_frame_equal(by_disk[1], rejects)
    assert {"range", "landmark"} <= set(rejects["rule"])
    for told in ("counts", "inputs", "notices"):
        assert by_disk[2][told] == manifest[told]
    counts = manifest["counts"]
    assert min(counts[name] for name in ("filtered", "unmatched", "rejected")) > 0
    assert not list(trial.glob(".*"))


def test_cut_short_and_continued(trial, short_model, monkeypatch):
    monkeypatch.setattr(out_of_core, "is_large", lambda *_: True)
    scored(trial / "trial.csv", trial / "whole" / "out.csv", short_model, rows_at_once=16)
    add, add_rejects = unfinished.UnfinishedRun.add, unfinished.UnfinishedRun.add_rejects
    pieces = len(range(0, 150, 16))
    for stop in range(0, pieces, 3):
        output = trial / f"stopped-{stop}" / "out.csv"

        def adding(self, *args, stop=stop, **kwargs) -> None:
            if len(self.pieces) >= stop:
                raise StoppedError
            (add if "scored" in kwargs else add_rejects)(self, *args, **kwargs)

        with monkeypatch.context() as patched:
            patched.setattr(unfinished.UnfinishedRun, "add", adding)
            patched.setattr(unfinished.UnfinishedRun, "add_rejects", adding)
            with pytest.raises(StoppedError):
                scored(trial / "trial.csv", output, short_model, rows_at_once=16)
        scored(trial / "trial.csv", output, short_model, rows_at_once=16, resume=True)
        assert results(output) == results(trial / "whole" / "out.csv")


def test_with_nothing_to_score_no_earlier_output_stays(trial, long_table, short_model, monkeypatch):
    scored(trial / "trial.csv", trial / "out.csv", short_model)
    monkeypatch.setattr(out_of_core, "is_large", lambda *_: True)
    long_table.assign(score=900).to_csv(trial / "trial.csv", index=False)
    with pytest.raises(CohortError, match="No course could be scored"):
        scored(trial / "trial.csv", trial / "out.csv", short_model)
    assert sorted(path.name for path in trial.glob("*out.csv*")) == ["out.csv.manifest.json", "out.csv.rejects.csv"]
    manifest = json.loads((trial / "out.csv.manifest.json").read_text())
    assert manifest["counts"]["scored"] == 0 < manifest["counts"]["courses"] == manifest["counts"]["rejected"]
    assert manifest["output"] == {"name": None, "sha256": None}


def test_a_full_disk(small_disk, short_model, tmp_path, monkeypatch):
    """Whether Arrow or DuckDB finds it full, and whether a piece is finished or none."""
    # DuckDB needs the disk soon.
    defaults = out_of_core.make_courses.__kwdefaults__ | {"memory_mib": 16, "batch_rows": 5_000}
    monkeypatch.setattr(out_of_core.make_courses, "__kwdefaults__", defaults)
    monkeypatch.setattr(out_of_core, "is_large", lambda *_: True)
    number_of, from_duckdb = spool._number_of, []

    def counted(message: str) -> int | None:
        from_duckdb.append(number_of(message))
        return from_duckdb[-1]

    monkeypatch.setattr(spool, "_number_of", counted)
    rng = np.random.default_rng(2)
    subjects = [f"{number}-{rng.bytes(20).hex()}" for number in range(20_000)]
    visits = [pd.DataFrame({"subject": subjects, "visit": f"day {day}", "score": 30 - day}) for day in (0, 1, 3)]
    table = pd.concat(visits).assign(age=40, sex="F", analysed=1).sample(frac=1, random_state=1)
    table.to_csv(tmp_path / "trial.csv", index=False)
    (tmp_path / "trial.toml").write_text(MAPPING)
    whole, output = tmp_path / "whole" / "out.csv", small_disk / "out.csv"
    options = {"mapping": tmp_path / "trial.toml", "rows_at_once": 5_000}
    score_file(tmp_path / "trial.csv", whole, short_model, **options)
    kept = []
    for size in (160, 4_000, 7_500, 9_500, 10_000):
        resize(small_disk, size)
        with pytest.raises(FileError, match=r"^Cannot write the results to .*disk: No space left on device\.") as told:
            score_file(tmp_path / "trial.csv", output, short_model, resume=True, **options)
        kept.append("What is finished is kept; --resume goes on" in str(told.value))
        assert kept[-1] == bool(list(small_disk.iterdir()))
        assert not list(small_disk.glob("out*"))
    assert from_duckdb
    assert set(kept) == {False, True}
    resize(small_disk, 40_000)
    score_file(tmp_path / "trial.csv", output, short_model, resume=True, **options)
    assert results(output) == results(whole)


@pytest.mark.parametrize("name", ["trial.csv", "trial.parquet"])
def test_an_input_that_is_changed_while_its_courses_are_made(trial, short_model, monkeypatch, name):
    monkeypatch.setattr(out_of_core, "is_large", lambda *_: True)
    spill = out_of_core._Work._spill

    def changing(self, rejects) -> None:
        spill(self, rejects)
        content = (trial / name).read_bytes()
        (trial / name).unlink()
        (trial / name).write_bytes(content)

    monkeypatch.setattr(out_of_core._Work, "_spill", changing)
    with pytest.raises(FileError, match=rf"{name}: the input was changed while it was read"):
        scored(trial / name, trial / "out" / "out.csv", short_model)
    assert not list((trial / "out").iterdir())


KILLED = """
import os, signal, sys
from ketapredict.cohort import out_of_core
from ketapredict.response_model import ResponseModel
from ketapredict.score.files import score_file

out_of_core.is_large = lambda *_: True
out_of_core._Work._make = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
score_file(sys.argv[1], sys.argv[2], ResponseModel.load(sys.argv[3]), mapping=sys.argv[4], resume=True)
"""


def test_what_killed_runs_leave_is_removed(trial, short_model, monkeypatch):
    short_model.save(trial / "model")
    output = trial / "killed" / "out.csv"
    source, mapping = trial / "trial.csv", trial / "trial.toml"
    command = [sys.executable, "-c", KILLED, str(source), str(output), str(trial / "model"), str(mapping)]
    for _ in range(2):
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
        left = [path.name for path in output.with_name(".out.csv.unfinished").iterdir()]
        assert len(left) == 2, left
        assert any(name.startswith(".out-of-core-") for name in left)
    monkeypatch.setattr(out_of_core, "is_large", lambda *_: True)
    scored(source, output, short_model, resume=True)
    assert not list(output.parent.glob(".*"))
