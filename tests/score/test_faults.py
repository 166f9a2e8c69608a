"""Whatever stops a run, what is continued afterwards gives the results of a run that nothing stopped."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from tests.score.conftest import results
from typer.testing import CliRunner

from ketapredict.cli.app import app
from ketapredict.errors import FileError
from ketapredict.response_model import ResponseModel
from ketapredict.score import files, parts, unfinished
from ketapredict.score.files import score_file
from ketapredict.simulate import simulate_cohort


class StoppedError(BaseException):
    """Not an error that anything in the program would expect."""


@pytest.fixture
def undisturbed(mixed_file, short_model, tmp_path):
    """Return what a run gives that nothing stops, by the ending of the output."""
    found = {}
    for ending in (".csv", ".parquet"):
        output = tmp_path / "undisturbed" / f"out{ending}"
        score_file(mixed_file, output, short_model, rows_at_once=16)
        found[ending] = results(output)
    return found


def the_same(output: Path, expected: dict[str, bytes]) -> bool:
    return results(output) == expected and sorted(p.name for p in output.parent.iterdir() if p.name[0] == ".") == []


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_stopped_at_every_flush_and_continued(mixed_file, short_model, undisturbed, tmp_path, monkeypatch, ending):
    fsync, calls, stop_at = os.fsync, 0, 0

    def stopping(number: int) -> None:
        nonlocal calls
        calls += 1
        if calls == stop_at:
            raise StoppedError
        fsync(number)

    monkeypatch.setattr(os, "fsync", stopping)
    stopped = 0
    for place in range(1, 60, 5):
        output = tmp_path / f"stopped-{place}" / f"out{ending}"
        calls, stop_at = 0, place
        try:
            score_file(mixed_file, output, short_model, rows_at_once=16)
        except StoppedError:
            stopped += 1
            complete = list(output.parent.glob("out*"))
            assert not complete or output in complete
            calls, stop_at = 0, 0
            score_file(mixed_file, output, short_model, rows_at_once=16, resume=True)
        assert the_same(output, undisturbed[ending])
    assert stopped > 5


def stopped_run(source: Path, output: Path, model, monkeypatch, pieces: int) -> None:
    """Run until some pieces are finished."""
    add = unfinished.UnfinishedRun.add

    def adding(self, *args, **kwargs) -> None:
        if len(self.pieces) == pieces:
            raise StoppedError
        add(self, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(unfinished.UnfinishedRun, "add", adding)
        with pytest.raises(StoppedError):
            score_file(source, output, model, rows_at_once=16)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("damage", ["a byte", "cut short", "journal torn", "rejects", "all gone"])
def test_damaged_pieces_are_made_again(mixed_file, short_model, undisturbed, tmp_path, monkeypatch, ending, damage):
    output = tmp_path / "stopped" / f"out{ending}"
    stopped_run(mixed_file, output, short_model, monkeypatch, 5)
    folder = output.with_name(f".{output.name}.unfinished")
    part = folder / "output"
    content = part.read_bytes()
    if damage == "a byte":
        middle = len(content) // 2
        part.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif damage == "cut short":
        part.write_bytes(content[: len(content) // 3])
    elif damage == "journal torn":
        journal = folder / "journal.jsonl"
        journal.write_bytes(journal.read_bytes()[:-40])
    elif damage == "rejects":
        (folder / "rejects.csv").write_text("row\n")
    else:
        shutil.rmtree(output.parent)
    score_file(mixed_file, output, short_model, rows_at_once=16, resume=True)
    assert the_same(output, undisturbed[ending])


def test_codes_of_texts_do_not_depend_on_earlier_batches(tmp_path, monkeypatch):
    """Several landmarks of an evidence model are trained on the same: one text."""
    model = ResponseModel.load("evidence/induction-course")
    simulate_cohort(200, 4, model.bundle.protocol).to_parquet(tmp_path / "a.parquet", index=False)
    whole, output = tmp_path / "whole" / "out.parquet", tmp_path / "stopped" / "out.parquet"
    score_file(tmp_path / "a.parquet", whole, model, rows_at_once=16)
    stopped_run(tmp_path / "a.parquet", output, model, monkeypatch, 1)
    score_file(tmp_path / "a.parquet", output, model, rows_at_once=16, resume=True)
    assert pq.read_metadata(output).num_row_groups == 13
    assert the_same(output, results(whole))


@pytest.mark.parametrize("pieces", [0, 3])
def test_an_interrupted_command_says_what_is_kept(mixed_file, short_model, tmp_path, monkeypatch, pieces):
    add = unfinished.UnfinishedRun.add

    def adding(self, *args, **kwargs) -> None:
        if len(self.pieces) == pieces:
            raise KeyboardInterrupt
        add(self, *args, **kwargs)

    monkeypatch.setattr(unfinished.UnfinishedRun, "add", adding)
    short_model.save(tmp_path / "model")
    monkeypatch.setattr(files.score_file, "__kwdefaults__", files.score_file.__kwdefaults__ | {"rows_at_once": 16})
    command = ["score", str(mixed_file), "--model", str(tmp_path / "model"), "--output", str(tmp_path / "out.csv")]
    found = CliRunner().invoke(app, command)
    assert found.exit_code not in (0, 2)
    assert ("What is finished is kept; --resume goes on" in found.output) == bool(pieces)
    assert (tmp_path / ".out.csv.unfinished").exists() == bool(pieces)


def test_only_what_is_missing_is_scored_again(mixed_file, short_model, tmp_path, monkeypatch):
    output = tmp_path / "stopped" / "out.csv"
    stopped_run(mixed_file, output, short_model, monkeypatch, 5)
    told = []
    score_file(mixed_file, output, short_model, rows_at_once=16, resume=True, progress=lambda *now: told.append(now))
    assert told == [(80, 120), (96, 120), (112, 120), (120, 120)]


def test_what_was_made_from_something_else_is_not_continued(mixed_file, short_model, tmp_path, monkeypatch):
    output = tmp_path / "stopped" / "out.csv"
    stopped_run(mixed_file, output, short_model, monkeypatch, 3)
    with pytest.raises(FileError, match=r"\(options changed\)"):
        score_file(mixed_file, output, short_model, rows_at_once=16, landmark="24h", resume=True)
    with pytest.raises(FileError, match=r"\(options changed\)"):
        score_file(mixed_file, output, short_model, rows_at_once=16, explain="none", resume=True)
    mixed_file.write_text(mixed_file.read_text().replace(",male,", ",female,"))
    with pytest.raises(FileError, match=r"\(inputs changed\).*or without --resume"):
        score_file(mixed_file, output, short_model, rows_at_once=16, resume=True)
    assert score_file(mixed_file, output, short_model, rows_at_once=16).scored > 0
    assert not output.with_name(".out.csv.unfinished").exists()


def test_two_runs_do_not_write_one_output(mixed_file, short_model, tmp_path):
    output = tmp_path / "out.csv"
    with (
        unfinished.unfinished_run(output, tmp_path / "r", tmp_path / "m"),
        pytest.raises(FileError, match="Another run is writing"),
    ):
        score_file(mixed_file, output, short_model)


def test_results_cut_off_while_they_appear_are_completed(mixed_file, short_model, undisturbed, tmp_path, monkeypatch):
    output = tmp_path / "stopped" / "out.csv"
    replace, moved = Path.replace, []

    def replacing(self: Path, target: Path) -> Path:
        if self.parent.name.endswith(".unfinished") and self.suffix != ".partial":
            moved.append(self)
            if len(moved) == 2:
                raise StoppedError
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", replacing)
        with pytest.raises(StoppedError):
            score_file(mixed_file, output, short_model, rows_at_once=16)
    assert not output.with_name("out.csv.manifest.json").exists()
    monkeypatch.setattr(parts.GrowingFile, "write", None)  # nothing is scored again
    assert score_file(mixed_file, output, short_model, rows_at_once=16, resume=True).courses == 120
    assert the_same(output, undisturbed[".csv"])


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 160 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("no permission to mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_full_disk(mixed_file, short_model, undisturbed, tmp_path, small_disk, ending):
    filler = small_disk / "filler"
    output = small_disk / f"out{ending}"
    for size in (155_000, 135_000, 115_000):
        filler.write_bytes(b"x" * size)
        with pytest.raises(FileError, match="No space left") as told:
            score_file(mixed_file, output, short_model, rows_at_once=16, resume=True)
        kept = output.with_name(f".{output.name}.unfinished").exists()
        assert ("--resume" in str(told.value)) == kept == (size < 155_000)
        assert not list(small_disk.glob("out*"))
        filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    score_file(mixed_file, output, short_model, rows_at_once=16, resume=True)
    assert the_same(output, undisturbed[ending])


RUN = """
import sys
from ketapredict.response_model import ResponseModel
from ketapredict.score.files import score_file
print("ready", flush=True)
score_file(sys.argv[1], sys.argv[2], ResponseModel.load(sys.argv[3]), rows_at_once=250, resume=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_killed_at_random_moments(mixed_table, short_model, tmp_path, ending):
    """Ten kills each: twenty in all, some in the same run one after the other."""
    source, model = tmp_path / "a.parquet", tmp_path / "model"
    mixed_table(5000).to_parquet(source, index=False)
    short_model.save(model)
    score_file(source, tmp_path / "undisturbed" / f"out{ending}", short_model, rows_at_once=250)
    expected = results(tmp_path / "undisturbed" / f"out{ending}")
    output = tmp_path / "killed" / f"out{ending}"
    command = [sys.executable, "-c", RUN, str(source), str(output), str(model)]

    def started() -> subprocess.Popen:
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        process.stdout.close()
        return process

    begin = time.monotonic()
    assert started().wait() == 0
    took = time.monotonic() - begin
    rng = np.random.default_rng(5)
    kills = 0
    while kills < 10:
        process = started()
        time.sleep(took * rng.uniform(0.05, 0.5))
        os.kill(process.pid, signal.SIGKILL)
        if process.wait() == -signal.SIGKILL:
            kills += 1
        if output.exists() and output.with_name(f"{output.name}.manifest.json").exists():
            assert results(output) == expected
            shutil.rmtree(output.parent)
    assert started().wait() == 0
    assert the_same(output, expected)
    counts = json.loads(output.with_name(f"{output.name}.manifest.json").read_text())["counts"]
    table = pd.read_csv(output) if ending == ".csv" else pd.read_parquet(output)
    assert len(table) == table["course_id"].nunique() == counts["scored"]
