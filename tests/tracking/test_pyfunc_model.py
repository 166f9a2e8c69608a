import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from ketapredict.tracking.registry import find_model
from ketapredict.tracking.rows import score_rows
from ketapredict.tracking.store import open_store

# MLflow and what it imports warn of their own deprecations.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
SECONDS_TO_START = 90


@pytest.fixture
def served(store, monkeypatch):
    """The pyfunc as anybody loads it who has MLflow; MLflow puts the model's code on the path."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    with open_store(create=False):
        import mlflow.pyfunc

        return mlflow.pyfunc.load_model(store.run.model_uri)


def test_predictions_are_those_of_the_model(store, served):
    expected = score_rows(find_model(store.run.model_uri), store.frame)
    table = served.predict(store.frame)
    assert list(table.columns) == list(expected.columns)
    assert list(table["course_id"]) == list(store.frame["course_id"])
    numbers = expected.select_dtypes("number").columns
    np.testing.assert_allclose(table[numbers], expected[numbers], rtol=0, atol=1e-12)
    assert set(table["model_version"]) == {store.run.model_version}


def test_a_score_of_900_does_not_pass(store, served):
    broken = store.frame.copy()
    broken.loc[3, "score_24h"] = 900.0
    table = served.predict(broken)
    assert np.isnan(table.loc[3, "probability"])
    assert "score_24h" in table.loc[3, "notes"]
    assert "900" not in table.loc[3, "notes"]
    assert table["probability"].notna().sum() == len(broken) - 1


def test_a_landmark_may_be_asked_for(store, served):
    assert set(served.predict(store.frame, params={"landmark": "pre"})["landmark"]) == {"pre"}


def test_schema_errors_hold_no_row(store, served):
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException) as caught:
        served.predict(store.frame.drop(columns="scale"))
    assert "simulated-" not in str(caught.value)


def test_the_model_folder_suffices_without_the_package(store):
    """The code that travels with the model is used where ketapredict is not installed."""
    script = """
import sys, warnings
warnings.simplefilter("ignore")
sys.path = [path for path in sys.path if path != sys.argv[2]]
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
import mlflow.pyfunc
model = mlflow.pyfunc.load_model(sys.argv[1])
import ketapredict
print(ketapredict.__file__)
print(len(model.predict(model.input_example)))
"""
    import ketapredict

    package = Path(ketapredict.__file__).parent
    folder = next((store.folder / "mlartifacts" / "models").iterdir()) / "artifacts"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), str(package.parent)],
        capture_output=True,
        text=True,
        cwd=store.folder,
        env=environment,
        timeout=120,
        check=True,
    )
    used, rows = done.stdout.split("\n")[:2]
    if "site-packages" not in str(package):
        assert used == str(folder / "code" / "ketapredict" / "__init__.py")
    assert rows == "2"


@pytest.mark.slow
def test_mlflow_models_serve_answers(store):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = store.folder / "serve.log"
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": store.uri,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", store.run.model_uri]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as stream:
        server = subprocess.Popen(
            command, cwd=store.folder, env=environment, stdout=stream, stderr=stream, start_new_session=True
        )
    try:
        _wait(f"http://127.0.0.1:{port}/ping", server, log)
        courses = json.loads(store.frame.iloc[:9].to_json(orient="records"))
        courses[3]["score_24h"] = 900
        courses[4]["failed_ect"] = True
        status, answer = _post(port, {"dataframe_records": courses, "params": {"landmark": "24h"}})
        assert status == 200
        rows = json.loads(answer, parse_constant=pytest.fail)["predictions"]
        assert [row["course_id"] for row in rows] == [course["course_id"] for course in courses]
        expected = score_rows(store.model, store.frame.iloc[:9], "24h")["probability"]
        scored = [0, 1, 2, 5, 6, 7, 8]
        found = [rows[position]["probability"] for position in scored]
        np.testing.assert_allclose(np.array(found, dtype=float), expected[scored], rtol=0, atol=1e-12)
        assert rows[3]["probability"] is None
        assert "score_24h" in rows[3]["notes"]
        assert rows[4]["probability"] is not None
        status, answer = _post(port, {"dataframe_records": courses, "params": {"landmark": "never"}})
        assert status == 400
        assert "simulated-" not in answer
        for course in courses:
            del course["scale"]
        assert _post(port, {"dataframe_records": courses})[0] == 400
    finally:
        # The server's process group: MLflow starts it through a shell.
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(10)
    assert "simulated-" not in log.read_text()


def _wait(url: str, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(log.read_text()[-2000:])


def _post(port: int, content: dict[str, object]) -> tuple[int, str]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations",
        data=json.dumps(content).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
