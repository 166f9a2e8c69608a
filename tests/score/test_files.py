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
@pytest.mark.parametrize("mapped", [False, True])
def test_results_do_not_become_parts_of_the_input(cohort_file, short_model, tmp_path, ending, mapped):
    parts = tmp_path / "trial" / "parts"
    parts.mkdir(parents=True)
    table = pd.read_csv(cohort_file)
    table.to_parquet(parts / "0.parquet", index=False)
    (tmp_path / "m.toml").write_text(
        "[tables]\ncourses = 'parts'\n[columns]\n" + "\n".join(f"{name} = '{name}'" for name in table)
    )
    source, mapping = (parts.parent, tmp_path / "m.toml") if mapped else (parts, None)
    (tmp_path / "elsewhere").symlink_to(parts)
    for folder in (parts, tmp_path / "elsewhere", parts / "results"):
        with pytest.raises(FileError, match=r"outside of the folder .*parts"):
            score_file(source, folder / f"out{ending}", short_model, mapping=mapping)
    assert [path.name for path in parts.iterdir()] == ["0.parquet"]
    assert score_file(source, parts.parent / f"out{ending}", short_model, mapping=mapping).scored == 60


def test_results_do_not_stand_beside_the_only_table_of_a_folder(cohort_file, short_model, tmp_path):
    (tmp_path / "m.toml").write_text(
        "[columns]\n" + "\n".join(f"{name} = '{name}'" for name in pd.read_csv(cohort_file))
    )
    folder = tmp_path / "trial"
    folder.mkdir()
    cohort_file.rename(folder / "cohort.csv")
    with pytest.raises(FileError, match=r"outside of the folder .*trial"):
        score_file(folder, folder / "out.csv", short_model, mapping=tmp_path / "m.toml")
    assert score_file(folder, tmp_path / "out.csv", short_model, mapping=tmp_path / "m.toml").scored == 60


@pytest.mark.parametrize("ending", ["", ".rejects.csv", ".manifest.json"])
@pytest.mark.parametrize("there", [False, True])
def test_a_symbolic_link_is_not_replaced(cohort_file, short_model, tmp_path, ending, there):
    target = tmp_path / "other" / "real.csv"
    target.parent.mkdir()
    if there:
        target.write_text("kept")
    link = tmp_path / f"out.csv{ending}"
    link.symlink_to(target)
    with pytest.raises(FileError, match="is a symbolic link"):
        score_file(cohort_file, tmp_path / "out.csv", short_model)
    assert link.is_symlink()
    assert target.exists() == there
    assert not list(tmp_path.glob(".*"))
    if there:
        assert target.read_text() == "kept"


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
