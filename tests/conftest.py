"""Fixtures for all tests."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.protocols import BUILT_IN, Protocol, TimePoint
from ketapredict.cohort.read import read_cohort
from ketapredict.fitting import fit_response_model
from ketapredict.response_model import ResponseModel
from ketapredict.simulate import simulate_cohort

# Two landmarks and few time points: quick to fit.
SHORT_PROTOCOL = Protocol(
    "short",
    (
        TimePoint("24h", 24.0, (18.0, 36.0)),
        TimePoint("72h", 72.0, (48.0, 96.0)),
        TimePoint("7d", 168.0, (120.0, 216.0)),
    ),
    ("24h", "72h"),
    "7d",
)

# The test runner keeps all cores busy; processes of one test's own would only wait for each other.
os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")
ROOT = Path(__file__).resolve().parents[1]
# After the environment's own packages, whose versions win.
sys.path += [str(folder) for folder in sorted((ROOT / ".extra").glob("*")) if folder.name != "bench"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files that hold slow tests first: with one file to a process, a long one at the end runs alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def migrated_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow store of nobody: to make its tables takes seconds, to copy them none."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        from ketapredict.tracking.store import DATABASE, open_store

        with open_store():
            import mlflow

            mlflow.MlflowClient().search_experiments()
    return folder / DATABASE


@pytest.fixture
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, migrated_store: Path) -> Path:
    """Work in a folder of one's own, which has an empty store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(migrated_store, tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Folder of published patient-level data; CI always has it."""
    folder = Path(os.environ.get("KETAPREDICT_REALDATA", ROOT.parent / "shared" / "realdata"))
    if not folder.is_dir():
        reason = f"no real data at {folder}; set KETAPREDICT_REALDATA to the folder that holds it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def mappings() -> Path:
    """Folder of the project's own mappings and protocols."""
    return ROOT / "data" / "mappings"


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Cohort]:
    """Make simulated cohorts the way a user would: by way of a file."""

    def make(courses: int, seed: int = 1, protocol: Protocol = BUILT_IN["induction-course"], **options: str) -> Cohort:
        path = tmp_path_factory.mktemp("simulated") / "cohort.csv"
        simulate_cohort(courses, seed, protocol, **options).to_csv(path, index=False, float_format="%g")
        return read_cohort(path, protocol=protocol)

    return make


@pytest.fixture(scope="session")
def short_cohort(simulated: Callable[..., Cohort]) -> Cohort:
    """150 simulated courses under the short protocol."""
    return simulated(150, protocol=SHORT_PROTOCOL)


@pytest.fixture(scope="session")
def short_model(short_cohort: Cohort) -> ResponseModel:
    """A model fitted to them."""
    return fit_response_model(short_cohort, seed=3)[0]
