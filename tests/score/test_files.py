import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from ketapredict.errors import CohortError, FileError
from ketapredict.score.files import score_file
from ketapredict.whole_files import write_whole


@pytest.fixture
def cohort_file(short_cohort, tmp_path):
    from ketapredict.simulate import simulate_cohort

    simulate_cohort(60, 4, short_cohort.protocol).to_csv(tmp_path / "cohort.csv", index=False)
    return tmp_path / "cohort.csv"


def test_nothing_is_left_behind_when_a_write_fails(tmp_path):
    def fail(target: Path) -> None:
        target.write_text("half")
        raise OSError(28, "No space left on device")

    old = tmp_path / "first.csv"
    old.write_text("old")
    with pytest.raises(FileError, match="No space left"):
        write_whole({old: lambda target: target.write_text("new"), tmp_path / "second.csv": fail})
    assert old.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["first.csv"]


def test_an_output_of_another_kind_is_refused(cohort_file, short_model):
    with pytest.raises(FileError, match=r"\.csv or \.parquet"):
        score_file(cohort_file, cohort_file.with_name("out.xlsx"), short_model)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_with_nothing_to_score_no_earlier_output_stays(cohort_file, short_model, ending):
    out = cohort_file.with_name(f"out{ending}")
    manifest = out.with_name(f"{out.name}.manifest.json")
    score_file(cohort_file, out, short_model)
    table = pd.read_csv(cohort_file)
    table["score_baseline"] = 900
    table.to_csv(cohort_file, index=False)
    for resume in (False, True):
        with pytest.raises(CohortError, match="all 60 were rejected"):
            score_file(cohort_file, out, short_model, resume=resume)
        assert not out.exists()
        assert len(pd.read_csv(out.with_name(f"{out.name}.rejects.csv"))) == 60
        told = json.loads(manifest.read_text())
        assert (told["counts"]["scored"], told["counts"]["rejected"], told["output"]["sha256"]) == (0, 60, None)
    assert not list(out.parent.glob(".*"))


def test_nothing_scored_is_said_also_where_the_run_was_cut_off_at_its_end(cohort_file, short_model, monkeypatch):
    from ketapredict.score import unfinished

    table = pd.read_csv(cohort_file)
    table["score_baseline"] = 900
    table.to_csv(cohort_file, index=False)
    with monkeypatch.context() as patched:
        patched.setattr(unfinished, "publish", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            score_file(cohort_file, cohort_file.with_name("out.csv"), short_model)
    with pytest.raises(CohortError, match="all 60 were rejected"):
        score_file(cohort_file, cohort_file.with_name("out.csv"), short_model, resume=True)


def test_courses_on_another_scale_and_control_courses(cohort_file, short_model):
    table = pd.read_csv(cohort_file)
    table["arm"] = "ketamine"
    table.loc[0, "arm"] = "control"
    table.loc[1, "scale"] = "HAMD-17"
    table.loc[1, ["score_baseline", "score_24h", "score_72h", "score_7d"]] = [25, 12, 10, 9]
    table["score_24h"] = table["score_24h"].fillna(20)
    table.to_csv(cohort_file, index=False)
    out = cohort_file.with_name("out.csv")
    result = score_file(cohort_file, out, short_model)
    assert (result.scored, result.rejected) == (59, 1)
    scored = pd.read_csv(out).set_index("course_id")
    assert "control arm" in scored.loc[table.loc[0, "course_id"], "notes"]
    assert "control arm" not in str(scored.loc[table.loc[2, "course_id"], "notes"])
    rejects = pd.read_csv(out.with_name("out.csv.rejects.csv"))
    assert rejects["rule"].tolist() == ["scale of the model"]


@pytest.mark.parametrize("name", ["adam", "sdtm"])
def test_a_mapping_of_the_project_by_its_name(name, mappings, tmp_path):
    from tests.cohort import trial_files

    from ketapredict.cohort import read_cohort
    from ketapredict.response_model import ResponseModel

    sample = trial_files.plain_cohort(mappings.parent / "sample-cohort.csv", tmp_path, 20)
    trial = tmp_path / "trial"
    trial.mkdir()
    table = read_cohort(sample).table
    if name == "adam":
        files = {"adsl": trial_files.adsl(table), "adqs": trial_files.adqs(table)}
    else:
        files = {"dm": trial_files.dm(table), "qs": trial_files.qs(table)}
    for domain, frame in files.items():
        trial_files.write_xpt(frame, trial / f"{domain}.xpt")
    result = score_file(trial, tmp_path / "out.csv", ResponseModel.load("evidence/induction-course"), mapping=name)
    assert (result.courses, result.scored) == (20, 20)


@pytest.mark.slow
def test_a_killed_run_leaves_no_half_file(cohort_file, short_model, short_cohort, tmp_path):
    from ketapredict.simulate import simulate_cohort

    simulate_cohort(30_000, 4, short_cohort.protocol).to_csv(cohort_file, index=False)
    short_model.save(tmp_path / "model")
    out = tmp_path / "out.csv"
    command = [sys.executable, "-m", "ketapredict.cli", "score", str(cohort_file), "--output", str(out)]
    command += ["--model", str(tmp_path / "model")]
    started = time.monotonic()
    assert subprocess.run(command, check=False, capture_output=True).returncode in (0, 1)
    whole, took = out.read_bytes(), time.monotonic() - started
    for share in (0.5, 0.7, 0.8, 0.9, 0.97):
        for path in tmp_path.glob("out.csv*"):
            path.unlink()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(took * share)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        if out.exists():
            assert out.read_bytes() == whole
