"""The sample cohort in data/: what the Makefile says makes it, byte for byte."""

import shlex
from pathlib import Path

from typer.testing import CliRunner

from ketapredict.cli import app
from ketapredict.cohort.read import read_cohort

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "data" / "sample-cohort.csv"


def test_the_sample_is_what_the_simulator_makes(tmp_path: Path) -> None:
    (recipe,) = (line for line in (ROOT / "Makefile").read_text("utf-8").splitlines() if "data/sample-cohort" in line)
    arguments = shlex.split(recipe)[1:]
    again = tmp_path / SAMPLE.name
    arguments[arguments.index("data/sample-cohort.csv")] = str(again)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert again.read_bytes() == SAMPLE.read_bytes(), "the sample is out of date: run `make data`"


def test_the_sample_has_400_valid_courses_from_six_sites() -> None:
    cohort = read_cohort(SAMPLE)
    assert (cohort.counts.courses, cohort.counts.rejected) == (400, 0)
    assert cohort.table["site"].nunique() == 6
    assert cohort.table["course_id"].str.startswith("simulated-").all()


def test_the_sample_is_small() -> None:
    assert SAMPLE.stat().st_size < 100_000
