"""`mlflow run`, from a folder with a blank in its name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from ketapredict.tracking.registry import find_model

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL = """
name = "one-landmark"
landmarks = ["24h"]
outcome = "7d"
time_point = [
    { name = "24h", hours = 24, window_hours = [18, 36] },
    { name = "7d", hours = 168, window_hours = [120, 216] },
]
"""


@pytest.mark.slow
def test_train_score_and_report_run_as_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a project"
    folder.mkdir()
    shutil.copy(ROOT / "MLproject", folder)
    (folder / "my protocol.toml").write_text(PROTOCOL)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    _run("ketapredict", "simulate", "--courses", "120", "--output", "my cohort.csv", "--protocol", "my protocol.toml")
    protocol = "protocol=my protocol.toml"
    _project("train", protocol, "seed=3", "repeats=1", "refits=2", "output=my model")
    model = find_model("models:/one-landmark-response@challenger")
    assert model.sha256 == find_model("my model/model").sha256
    assert model.bundle.provenance["seed"] == 3

    location = "model=models:/one-landmark-response/1"
    _project("score", location, "output=my scores.csv")
    assert len(pd.read_csv("my scores.csv")) + len(pd.read_csv("my scores.csv.rejects.csv")) == 120
    _project("report", location, "output=my report.md", cohort=False)
    assert Path("my report.md").read_text().startswith("**SIMULATED")
    _project("evaluate", location)


def _project(entry_point: str, *parameters: str, cohort: bool = True) -> None:
    named = ("cohort=my cohort.csv",) if cohort else ()
    given = [word for parameter in (*named, *parameters) for word in ("-P", parameter)]
    _run("mlflow", "run", ".", "-e", entry_point, "--env-manager=local", *given)


def _run(program: str, *arguments: str) -> None:
    tools = Path(sys.executable).parent
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(tools / program), *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path},
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
