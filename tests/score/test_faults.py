"""Whatever stops a run, what is continued afterwards gives the results of a run that nothing stopped."""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from tests.score.conftest import resize, results
from typer.testing import CliRunner

from ketapredict.cli.app import app
from ketapredict.errors import CohortError, FileError
from ketapredict.response_model import ResponseModel
from ketapredict.score import files, inputs, parts, unfinished
from ketapredict.score import spark as engine
from ketapredict.score.files import score_file
from ketapredict.score.spark_worker import WrittenPart
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


DAMAGES = [
    "a byte",
    "cut short",
    "journal torn",
    "a figure of the journal",
    "a foreign line",
    "a line that is no text",
    "no text in front",
    "nothing but a foreign line",
    "rejects",
    "all gone",
]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_pieces_are_made_again(mixed_file, short_model, undisturbed, tmp_path, monkeypatch, ending, damage):
    output = tmp_path / "stopped" / f"out{ending}"
    stopped_run(mixed_file, output, short_model, monkeypatch, 5)
    folder = output.with_name(f".{output.name}.unfinished")
    part = folder / "output"
    content = part.read_bytes()
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    if damage == "a byte":
        middle = len(content) // 2
        part.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif damage == "cut short":
        part.write_bytes(content[: len(content) // 3])
    elif damage == "journal torn":
        journal.write_bytes(b"".join(lines)[:-40])
    elif damage == "a figure of the journal":
        assert b'"scored": 1' in lines[3]
        journal.write_bytes(b"".join([*lines[:3], lines[3].replace(b'"scored": 1', b'"scored": 2'), *lines[4:]]))
    elif damage == "a foreign line":
        journal.write_bytes(b"".join([*lines[:3], b'{"a": 1}\n', *lines[3:]]))
    elif damage == "a line that is no text":
        journal.write_bytes(b"".join([*lines, b"\xff\xfe\x00\x80\n"]))
    elif damage == "no text in front":
        journal.write_bytes(b"".join([b"\xff\xfe\x00\x80\n", *lines]))
    elif damage == "nothing but a foreign line":
        journal.write_bytes(b'{"a": 1}\n')
    elif damage == "rejects":
        (folder / "rejects.csv").write_text("row\n")
    else:
        shutil.rmtree(output.parent)
    score_file(mixed_file, output, short_model, rows_at_once=16, resume=True)
    assert the_same(output, undisturbed[ending])


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("replaced", [False, True])
def test_the_growing_file_is_taken_away(mixed_file, short_model, undisturbed, tmp_path, monkeypatch, ending, replaced):
    add = unfinished.UnfinishedRun.add

    def adding(self, *args, **kwargs) -> None:
        if len(self.pieces) == 3:
            growing = next(path for path in self.folder.iterdir() if path.name.startswith("output"))
            growing.unlink()
            if replaced:
                growing.write_bytes(b"of another run")
        add(self, *args, **kwargs)

    output = tmp_path / "away" / f"out{ending}"
    with monkeypatch.context() as patched:
        patched.setattr(unfinished.UnfinishedRun, "add", adding)
        with pytest.raises(FileError, match="unfinished results were removed"):
            score_file(mixed_file, output, short_model, rows_at_once=16)
    assert not output.exists()
    score_file(mixed_file, output, short_model, rows_at_once=16, resume=True)
    assert the_same(output, undisturbed[ending])


def test_what_another_has_appended_is_not_taken_in_if_it_is_not_all_there(tmp_path):
    file = parts.GrowingFile(tmp_path / "output")
    file.write(b"PAR1")
    with (tmp_path / "output").open("ab") as other:
        assert file.leave_to(other.fileno()) == 4
        other.write(b"0123456789")
    with pytest.raises(OSError, match="shorter"):
        file.take_in(15)
    file.take_in(9)
    assert (file.size, (tmp_path / "output").read_bytes()) == (9, b"PAR101234")
    assert file.sha256 == hashlib.sha256(b"PAR101234").hexdigest()
    file.close()


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
    resize(small_disk, 4000)
    score_file(mixed_file, output, short_model, rows_at_once=16, resume=True)
    assert the_same(output, undisturbed[ending])


def test_what_a_run_leaves_that_was_killed_is_removed_by_the_next(mixed_file, short_model, tmp_path, monkeypatch):
    output = tmp_path / "stopped" / "out.csv"
    stopped_run(mixed_file, output, short_model, monkeypatch, 3)
    folder = output.with_name(".out.csv.unfinished")
    finished = {"journal.jsonl", "output", "rejects.csv"}
    for name in (".out-of-core-1/rows.parquet", "ids-1/00", "courses.parquet", "piece", "manifest.partial"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    with pytest.raises(FileError, match="found nothing"):
        score_file(tmp_path / "absent.csv", output, short_model, rows_at_once=16, resume=True)
    assert {path.name for path in folder.iterdir()} == finished
    stopped_run(mixed_file, output, short_model, monkeypatch, 3)
    assert {path.name for path in folder.iterdir()} == finished


def in_place_of(source: Path, content: bytes) -> None:
    """Put another file in the place of one, as `mv` does."""
    other = source.with_name("other")
    other.write_bytes(content)
    other.replace(source)


def cut_short(source: Path, content: bytes) -> None:
    os.truncate(source, source.stat().st_size // 3)


def prolonged(source: Path, content: bytes) -> None:
    with source.open("ab") as file:
        file.write(content[content.index(b"\n") + 1 :])


@pytest.mark.parametrize(
    ("name", "change", "moment"),
    [
        ("a.parquet", in_place_of, "before batches"),
        ("a.parquet", in_place_of, "a batch"),
        ("a.parquet", in_place_of, "at the end"),
        ("a.csv", cut_short, "before batches"),
        ("a.csv", prolonged, "before batches"),
        ("parts/1.parquet", in_place_of, "a batch"),
        ("parts/1.parquet", cut_short, "before batches"),
    ],
)
def test_an_input_that_is_changed_while_it_is_read(
    mixed_table, short_model, tmp_path, monkeypatch, name, change, moment
):
    """The other file has as many rows: nothing else would tell."""
    source = tmp_path / name
    source.parent.mkdir(exist_ok=True)
    table = mixed_table(120)
    contents = []
    for given in (table.assign(score_baseline=40), table):
        given.to_csv(source, index=False) if source.suffix == ".csv" else given.to_parquet(source, index=False)
        contents.append(source.read_bytes())
    whole = source if source.parent == tmp_path else source.parent
    patched, place = {
        "before batches": ("_score_batches", files),
        "a batch": ("score_batch", files),
        "at the end": ("_totals", files),
    }[moment]
    do, calls = getattr(place, patched), []

    def changing(*arguments):
        calls.append(0)
        if len(calls) == (3 if moment == "a batch" else 1):
            change(source, contents[0])
        return do(*arguments)

    output = tmp_path / "out" / "out.csv"
    with monkeypatch.context() as patch:
        patch.setattr(place, patched, changing)
        with pytest.raises(FileError, match=rf"{source.name}: the input was changed while it was read"):
            score_file(whole, output, short_model, rows_at_once=16)
    assert not list(output.parent.glob("out*"))
    # What was kept is of the input as it was.
    in_place_of(source, contents[1])
    score_file(whole, output, short_model, rows_at_once=16, resume=True)
    score_file(whole, tmp_path / "undisturbed" / "out.csv", short_model, rows_at_once=16)
    assert the_same(output, results(tmp_path / "undisturbed" / "out.csv"))


def test_an_input_that_is_changed_while_repeated_ids_are_looked_for(mixed_table, short_model, tmp_path, monkeypatch):
    source = tmp_path / "parts"
    source.mkdir()
    for number in range(2):
        mixed_table(120).to_parquet(source / f"{number}.parquet", index=False)
    add = inputs.RepeatedIds.add

    def changing(self, ids) -> None:
        cut_short(source / "1.parquet", b"")
        add(self, ids)

    monkeypatch.setattr(inputs.RepeatedIds, "add", changing)
    with pytest.raises(FileError, match=r"1\.parquet: the input was changed while it was read"):
        score_file(source, tmp_path / "out" / "out.csv", short_model, rows_at_once=16)
    assert not list((tmp_path / "out").iterdir())


class Disk:
    """What moving the results writes: a power cut leaves what was flushed, and any of what came after."""

    def __init__(self, output: Path) -> None:
        self.folder, self.steps = output.parent, []
        self.names = {
            output.with_name(output.name + ending): ending for ending in ("", ".rejects.csv", ".manifest.json")
        }

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        replace, unlink, fsync = Path.replace, Path.unlink, os.fsync

        def replacing(path: Path, target: Path) -> Path:
            moved = replace(path, target)
            if target in self.names:
                self.steps.append((self.names[target], "new"))
            return moved

        def unlinking(path: Path, *, missing_ok: bool = False) -> None:
            if path in self.names:
                self.steps.append((self.names[path], "none"))
            unlink(path, missing_ok=missing_ok)

        def flushing(number: int) -> None:
            if Path(f"/proc/self/fd/{number}").samefile(self.folder):
                self.steps.append(("flushed", ""))
            fsync(number)

        patch.setattr(Path, "replace", replacing)
        patch.setattr(Path, "unlink", unlinking)
        patch.setattr(os, "fsync", flushing)

    def after_power_cuts(self) -> list[dict[str, str]]:
        """All that may be on the disk."""
        found = []
        for stop in range(len(self.steps) + 1):
            done = self.steps[:stop]
            flushed = max((number for number, step in enumerate(done) if step[0] == "flushed"), default=-1) + 1
            for some in product([False, True], repeat=stop - flushed):
                state = dict.fromkeys(self.names.values(), "old")
                state |= dict(step for step in done[:flushed] if step[0] in state)
                state |= dict(step for step, there in zip(done[flushed:], some, strict=True) if there)
                found.append({name: state[name] for name in self.names.values()})
        return found


@pytest.mark.parametrize("scored", [True, False])
def test_a_power_cut_leaves_no_manifest_beside_other_files(mixed_file, short_model, tmp_path, monkeypatch, scored):
    output = tmp_path / "out" / "out.csv"
    score_file(mixed_file, output, short_model, rows_at_once=16)
    if not scored:
        pd.read_csv(mixed_file).assign(score_baseline=900).to_csv(mixed_file, index=False)
    disk = Disk(output)
    with monkeypatch.context() as patch, suppress(CohortError):
        disk.watch(patch)
        score_file(mixed_file, output, short_model, rows_at_once=16)
    assert disk.steps[-1] == ("flushed", "")
    states = disk.after_power_cuts()
    manifests = {state[".manifest.json"] for state in states}
    assert manifests == {"old", "none", "new"}
    for state in states:
        beside = (state[""], state[".rejects.csv"])
        if state[".manifest.json"] == "old":
            assert beside == ("old", "old")
        if state[".manifest.json"] == "new":
            assert beside == ("new" if scored else "none", "new")


def test_names_in_the_folder_are_on_the_disk_before_the_manifest(mixed_file, short_model, tmp_path, monkeypatch):
    replace, fsync, flushed = Path.replace, os.fsync, []

    def flushing(number: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{number}").resolve())
        fsync(number)

    def replacing(path: Path, target: Path) -> Path:
        if target.name == "manifest.json":
            assert path.parent == flushed[-1]
            flushed.clear()
        if path.parent.name.endswith(".unfinished") and path.suffix != ".partial":
            assert path.parent in flushed
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", flushing)
    monkeypatch.setattr(Path, "replace", replacing)
    score_file(mixed_file, tmp_path / "out" / "out.csv", short_model, rows_at_once=16)


def test_a_full_disk_while_rejects_of_spark_are_put_in_order(tmp_path, monkeypatch):
    import duckdb

    def full(*_: object) -> None:
        raise duckdb.IOException('IO Error: Could not write file "x": No space left on device')

    run = unfinished.UnfinishedRun(Path("out.parquet"), Path("r"), Path("m"), tmp_path, None)
    part = WrittenPart("part-1", rejects=1)
    monkeypatch.setattr(engine, "sort_rejects", full)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)) as told:
        engine._gather_rejects(run, [part], SimpleNamespace(earlier_rejects=lambda _: ()))
    assert told.value.errno == errno.ENOSPC


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
