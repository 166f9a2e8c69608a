"""The command `simulate`: what it refuses, and what it says it made."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ketapredict.cli import app
from ketapredict.errors import CohortError, KetapredictError, ProtocolError

WEEKLY = """
name = "weekly"
landmarks = {landmarks}
outcome = "w4"
""" + "".join(
    f'[[time_point]]\nname = "w{week}"\nhours = {168 * week}\nwindow_hours = [{168 * week - 24}, {168 * week + 24}]\n'
    for week in (1, 2, 4)
)


def simulate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["simulate", *map(str, arguments)])


def refusal(result: Result) -> KetapredictError:
    assert isinstance(result.exception, KetapredictError), result.output
    return result.exception  # `main` shows it as one message, exit status 2


@pytest.mark.parametrize(
    "option",
    [
        ("--sites", 6),
        ("--dropout", 0.2),
        ("--early-end-correlation", 0.3),
        ("--control-share", 0.5),
        ("--setting", "trial"),
        ("--protocol", "single-infusion"),
        ("--truth",),
    ],
)
def test_the_check_refuses_options_that_it_does_not_use(option):
    error = refusal(simulate("--check", "--courses", 1_000, *option))
    assert isinstance(error, CohortError)
    assert "give it --courses, --seed and --output only" in str(error)


@pytest.mark.parametrize("courses", [1, 2, 3, 5, 999])
def test_the_check_refuses_too_few_courses(courses, tmp_path: Path):
    error = refusal(simulate("--check", "--courses", courses, "--output", tmp_path / "new" / "table.csv"))
    assert "Expected --courses of 1,000 or more with --check" in str(error)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("landmarks", ["3", "[3]", '"pre"', "true"])
def test_landmarks_that_are_no_list_of_texts_are_refused(landmarks, tmp_path: Path):
    protocol, made = tmp_path / "weekly.toml", tmp_path / "made.csv"
    protocol.write_text(WEEKLY.format(landmarks=landmarks))
    error = refusal(simulate("--courses", 5, "--protocol", protocol, "--output", made))
    assert isinstance(error, ProtocolError)
    assert "weekly.toml: expected landmarks as a list of texts" in str(error)


def test_it_says_which_design_and_infusions_it_made(tmp_path: Path):
    protocol, made = tmp_path / "weekly.toml", tmp_path / "made.csv"
    protocol.write_text(WEEKLY.format(landmarks='["pre"]'))
    for arguments, said in (
        (("--protocol", protocol), "Design single, read from the protocol: infusions on day 0."),
        (
            ("--protocol", protocol, "--design", "course"),
            "Design course, as asked: infusions on day 0, 2, 4, 7, 9, 11.",
        ),
        ((), "Design course, read from the protocol: infusions on day 0, 2, 4, 7, 9, 11."),
    ):
        result = simulate("--courses", 5, "--output", made, *arguments)
        assert result.exit_code == 0
        assert said in result.stderr
