"""One small model, logged once, for all tests of tracking."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest

from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.fitting import fit_response_model
from ketapredict.response_model import ResponseModel
from ketapredict.simulate import simulate_cohort
from ketapredict.tracking.rows import cohort_from_frame
from ketapredict.tracking.runs import LoggedRun, RunRecord, log_run

PROTOCOL = replace(BUILT_IN["single-infusion"], landmarks=("pre", "24h"))
PLANTED_BMI = 27.84319
PLANTED_ID = "course-of-nobody-else"


@dataclass(frozen=True)
class Tracked:
    folder: Path
    frame: pd.DataFrame
    model: ResponseModel
    run: LoggedRun

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    table = simulate_cohort(120, 1, PROTOCOL)
    numbers = table.select_dtypes("number").columns
    table[numbers] = table[numbers].astype(float)
    table.loc[7, "bmi_kg_m2"] = PLANTED_BMI
    table.loc[7, "course_id"] = PLANTED_ID
    return table


@pytest.fixture(scope="session")
def model(frame: pd.DataFrame) -> ResponseModel:
    return fit_response_model(cohort_from_frame(frame, PROTOCOL), seed=5)[0]


@pytest.fixture(scope="session")
def tracked(frame: pd.DataFrame, model: ResponseModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracked]:
    folder = tmp_path_factory.mktemp("a folder")
    artifacts = folder / "report"
    artifacts.mkdir()
    (artifacts / "measures.csv").write_text("landmark,auc\n24h,0.7\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        record = RunRecord(
            {"learners": 4, "folds": "5"}, {"24h/auc": 0.7, "pre/auc": float("nan")}, {"purpose": "test"}, artifacts
        )
        yield Tracked(folder, frame, model, log_run(model, record))


@pytest.fixture
def store(tracked: Tracked, monkeypatch: pytest.MonkeyPatch) -> Tracked:
    """Work in the folder of the logged model."""
    monkeypatch.chdir(tracked.folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tracked
