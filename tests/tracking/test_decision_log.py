"""The table of decisions: appended, chained, and honest about what was done to it."""

import getpass
import json
import os
import threading

import pytest

from ketapredict.errors import TrackingError
from ketapredict.tracking.decision_log import FIRST, append, as_text, read_log, system_user, unconfirmed

YES = {"event": "decision", "decision": "yes", "name": "a-response", "version": "2", "word": "better", "checks": []}


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "promotions.jsonl"
    for version in "123":
        append(path, YES | {"version": version, "decision": "yes" if version == "3" else "no"})
    return path


def test_lines_are_numbered_chained_dated_and_signed(table):
    lines = read_log(table)
    assert [line.number for line in lines] == [1, 2, 3]
    assert [line.content["previous"] for line in lines] == [FIRST, lines[0].sha256, lines[1].sha256]
    assert all(line.content["time"].endswith("+00:00") for line in lines)
    assert {line.content["who"] for line in lines} == {system_user()}


def test_the_user_is_the_systems_whatever_the_environment_says(monkeypatch):
    before = system_user()
    monkeypatch.setenv("LOGNAME", "somebody-else")
    assert getpass.getuser() == "somebody-else"
    assert system_user() == before


@pytest.mark.parametrize("kind", ["changed", "taken out", "put in", "swapped", "first", "not JSON"])
def test_rewriting_shows_and_stops_everything(table, kind):
    rows = table.read_text().splitlines()
    rows = {
        "changed": [rows[0], rows[1].replace('"no"', '"yes"'), rows[2]],
        "taken out": [rows[0], rows[2]],
        "put in": [rows[0], rows[0], *rows[1:]],
        "swapped": [rows[1], rows[0], rows[2]],
        "first": rows[1:],
        "not JSON": [rows[0], "{", rows[2]],
    }[kind]
    table.write_text("\n".join(rows) + "\n")
    before = table.read_bytes()
    with pytest.raises(TrackingError, match="was changed after it was written"):
        read_log(table)
    with pytest.raises(TrackingError, match="Put back the copy"):
        append(table, YES)
    assert table.read_bytes() == before


def test_a_write_that_was_cut_short_is_told(table):
    table.write_bytes(table.read_bytes()[:-20])
    with pytest.raises(TrackingError, match="line 3 is cut short"):
        append(table, YES)


def test_a_failing_disk_leaves_what_was_there(table, monkeypatch):
    before = table.read_bytes()
    whole = os.write

    def short(handle: int, data: bytes) -> int:
        return whole(handle, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(TrackingError, match="disk is full"):
        append(table, YES)
    monkeypatch.undo()
    assert table.read_bytes() == before
    assert append(table, YES).number == 4


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(TrackingError, match="Cannot write the table"):
        append(tmp_path / "nowhere" / "promotions.jsonl", YES)
    (tmp_path / "promotions.jsonl").mkdir()
    with pytest.raises(TrackingError, match="Cannot read the table"):
        read_log(tmp_path / "promotions.jsonl")


def test_writers_at_the_same_time_do_not_break_the_chain(tmp_path):
    path = tmp_path / "promotions.jsonl"
    threads = [threading.Thread(target=lambda: [append(path, YES) for _ in range(5)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_log(path)) == 20


def test_a_yes_stays_open_until_a_line_says_what_became_of_it(table):
    lines = read_log(table)
    assert unconfirmed(lines, "a-response").number == 3
    assert unconfirmed(lines, "another-response") is None
    append(table, {"event": "moved", "decision_line": 3, "name": "a-response", "version": "3", "from": None})
    assert unconfirmed(read_log(table), "a-response") is None


def test_as_text_tells_decisions_and_moves(table):
    append(table, {"event": "moved", "decision_line": 3, "name": "a-response", "version": "3", "from": None})
    text = as_text(read_log(table))
    assert "yes: a-response version 3 (better)" in text
    assert "champion moved to a-response version 3 (line 3)" in text
    assert as_text([]) == "No decision yet."


def test_no_line_holds_what_json_does_not_have(table):
    with pytest.raises(ValueError, match="JSON"):
        append(table, {"figure": float("nan")})
    assert len(read_log(table)) == 3
    assert all(json.loads(row) for row in table.read_text().splitlines())
