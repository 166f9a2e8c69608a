import os

from ketapredict.tracking.code_version import code_version
from ketapredict.tracking.runs import registered_name
from ketapredict.tracking.store import open_store


def test_a_run_holds_what_was_measured_and_with_what(store):
    with open_store(create=False):
        import mlflow

        run = mlflow.MlflowClient().get_run(store.run.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"learners": "4", "folds": "5"}
    assert run.data.metrics == {"24h/auc": 0.7}
    tags = run.data.tags
    assert tags["statement"].startswith("SIMULATED")
    assert (tags["seed"], tags["trained_on"], tags["purpose"]) == ("5", "simulated", "test")
    assert tags["bundle_sha256"] == store.model.sha256
    assert len(tags["data_sha256"]) == 64
    assert tags["code_version"]


def test_the_version_in_the_registry_says_what_it_is(store):
    with open_store(create=False):
        import mlflow

        client = mlflow.MlflowClient()
        version = client.get_model_version_by_alias(store.run.model_name, "challenger")
    assert store.run.model_uri == f"models:/{store.run.model_name}/{version.version}"
    assert version.description.startswith("SIMULATED")
    assert version.tags["bundle_sha256"] == store.model.sha256
    assert version.run_id == store.run.run_id


def test_no_value_of_a_patient_is_in_any_file(store):
    paths = [store.folder / "mlflow.db", *(store.folder / "mlartifacts").rglob("*")]
    content = b"".join(path.read_bytes() for path in paths if path.is_file())
    assert b"SIMULATED" in content
    for planted in (b"27.84319", b"27.8431", b"course-of-nobody-else", b"simulated-0003", b"simulated-patient-"):
        # The package that travels with the model knows the prefix of simulated ids, not an id.
        assert planted not in content


def test_a_logged_model_is_code_and_plain_data(store):
    model = next((store.folder / "mlartifacts" / "models").iterdir()) / "artifacts"
    # The published figures that the package carries are its own, not a patient's.
    own = model / "code" / "ketapredict" / "data"
    files = [path for path in model.rglob("*") if path.is_file() and own not in path.parents]
    kinds = {path.suffix for path in files if "__pycache__" not in path.parts}
    assert not kinds & {".pkl", ".pickle", ".joblib", ".csv", ".db"}
    assert (model / "code" / "ketapredict" / "response_model.py").is_file()
    assert "pytest" not in (model / "requirements.txt").read_text()


def test_nothing_is_left_in_the_environment(store):
    assert "MLFLOW_TRACKING_URI" not in os.environ
    import mlflow

    assert mlflow.active_run() is None


def test_names_that_the_registry_refuses_are_changed():
    assert registered_name("my clinic: a/b-response") == "my-clinic--a-b-response"
    assert registered_name("single-infusion-response") == "single-infusion-response"


def test_code_version_is_plain_text():
    found = code_version()
    assert set(found) <= {"code_version", "git_commit", "git_dirty"}
    assert all(isinstance(value, str) for value in found.values())
