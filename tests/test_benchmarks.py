"""The benchmarks against known truths keep running, on input that is far too small to say anything."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow
BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def printed(script: str, *options: str, repetitions: bool = True) -> str:
    often = ("--repetitions", "2") if repetitions else ()
    command = [sys.executable, BENCHMARKS / script, *often, "--workers", "2", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_scoring(tmp_path):
    command = [sys.executable, BENCHMARKS / "scoring.py", "--courses=2000", "--rounds=1", "--folder", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = cells(done.stdout)
    assert {"from file to file / native stages", "score and explain", "pred_contribs"} <= {row[0] for row in rows}
    assert re.search(r"2,000 scored, 0 rejected, [\d.]+ s, peak \d+ MiB", done.stdout)
    one = {row[0]: [float(cell) for cell in row[1:]] for row in rows if row[0].startswith(("predict", "ketapredict"))}
    assert set(one) == {"predict", "ketapredict explain", "ketapredict score"}
    # Of one patient: milliseconds of the processor; and at least what importing takes.
    assert one["predict"][0] < 20
    assert min(one["ketapredict explain"][1], one["ketapredict score"][1]) > 1


def test_serving():
    command = [sys.executable, BENCHMARKS / "serving.py", "--seconds=0.5", "--users=2", "--rate=10"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()[3:]]
    assert [line[0].rstrip(",") for line in lines] == ["REST", "REST", "patient's", "what-if", "what-if"]
    for line in lines:
        rate, median, p95, p99, largest, each = map(float, line[-6:])
        assert rate > 0
        assert 0 < median <= p95 <= p99 <= largest
        assert each > 0


def test_scoring_of_one_row_a_visit(tmp_path):
    command = [sys.executable, BENCHMARKS / "scoring.py", "--courses=300", "--long", "--folder", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"300 scored, 0 rejected, [\d.]+ s, peak \d+ MiB", done.stdout)


def test_scoring_on_spark(tmp_path):
    pytest.importorskip("pyspark")
    command = [sys.executable, BENCHMARKS / "scoring_spark.py", "--courses=2000", "--folder", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"local", "spark", "data frame, pandas", "128"} <= {row[0] for row in cells(done.stdout)}
    assert "Both outputs have 2,000 rows" in done.stdout


def cells(text: str) -> list[list[str]]:
    """Return the rows of the table that a benchmark prints."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return rows[2:]


@pytest.mark.parametrize("truth", ["simulator", "logistic"])
def test_reported_performance(truth):
    # Not fewer courses: with under 200 in a fold the committee resamples twice and takes longer.
    text = printed("reported_performance.py", "--courses=300", "--repeats=1", "--new=400", f"--truth={truth}")
    rows = cells(text)
    assert len(rows) == 10  # two populations, five measures
    for row in rows:
        assert all(is_number(row[position]) for position in (2, 3)), row
        assert re.fullmatch(r"[012] of 2", row[7])
    # Only the simulator has courses that stop: elsewhere the two populations are one.
    assert ([row[1:] for row in rows[:5]] == [row[1:] for row in rows[5:]]) == (truth == "logistic")
    assert text.count("goal 90%") == 3


def test_excess_log_loss():
    learners = "prevalence;XGBoost, default;ridge logistic;elastic net"
    options = ("--truths=simulator,logistic", "--sizes=60", "--new=400", f"--learners={learners}")
    text = printed("excess_log_loss.py", *options)
    rows = cells(text)
    assert [row[2] for row in rows] == ["committee", "committee without the prior", *learners.split(";")] * 2
    assert [row[0] for row in rows] == ["simulator"] * 6 + ["logistic"] * 6
    for row in rows:
        assert float(row[3].split()[0]) > 0  # no prediction is better than the truth
        assert (row[4] == "") == (row[2] == "committee")
    assert "logistic, n = 60: " in text


def test_altered_clinics():
    for options in ((), ("--useless",)):
        text = printed("altered_clinics.py", "--worlds=2", "--sizes=60", *options, repetitions=False)
        rows = cells(text)
        assert [row[0] for row in rows] == ["60"] * 5
        assert all(float(row[3].split()[0]) > 0 for row in rows)


def test_an_altered_simulator_is_itself_again_afterwards(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from altered_clinics import altered_world

    from ketapredict.simulate import classes, effects

    before = (dict(effects.EFFECTS), classes._CUTS.tolist())
    with altered_world(np.random.default_rng(0)):
        assert (dict(effects.EFFECTS), classes._CUTS.tolist()) != before
    assert (dict(effects.EFFECTS), classes._CUTS.tolist()) == before


def is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+\.\d+", text) is not None


def test_drift_alarms():
    command = [sys.executable, BENCHMARKS / "drift_alarms.py", "--runs", "1", "--training", "120"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("SIMULATED")
    shares = [[float(cell) for cell in re.findall(r"\d\.\d+$|\d\.\d+(?= )", line)] for line in lines[2:]]
    assert [len(row) for row in shares] == [3, 3, 3, 3]
    assert {share for row in shares for share in row} <= {0.0, 1.0}
