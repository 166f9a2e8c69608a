import os
import sqlite3

import pytest

from ketapredict.errors import ModelError, TrackingError
from ketapredict.tracking.registry import champion
from ketapredict.tracking.store import open_store


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_default_is_sqlite_in_the_current_folder(tmp_path):
    with open_store() as store:
        assert store.tracking_uri == f"sqlite:///{tmp_path / 'mlflow.db'}"
        assert store.artifact_location == (tmp_path / "mlartifacts").as_uri()
        assert os.environ["MLFLOW_DISABLE_SCHEMA_DETAILS"] == "true"
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_the_environment_names_another_store(tmp_path, monkeypatch):
    """`mlflow run` passes on the address with blanks encoded."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/a%20b/x.db")
    with open_store() as store:
        assert store.tracking_uri == f"sqlite:///{tmp_path}/a b/x.db"
        assert store.artifact_location == (tmp_path / "a b" / "mlartifacts").as_uri()
    assert [path.name for path in tmp_path.iterdir()] == ["a b"]
    assert os.environ["MLFLOW_TRACKING_URI"].endswith("/a%20b/x.db")


def test_a_locked_database_is_one_message(tmp_path, monkeypatch):
    monkeypatch.setattr("ketapredict.tracking.store._LOCK_SECONDS", 0.1)
    other = sqlite3.connect(tmp_path / "mlflow.db")
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(TrackingError, match="database is locked") as caught, open_store():
            pass
    finally:
        other.close()
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_one_message(tmp_path):
    (tmp_path / "mlflow.db").write_text("no database " * 100)
    with pytest.raises(TrackingError, match="not a database"), open_store():
        pass


def test_looking_for_a_model_makes_no_store(tmp_path):
    with pytest.raises(ModelError, match="Train a model first"), open_store(create=False):
        pass
    assert not list(tmp_path.iterdir())


def test_an_absent_server_is_one_message_without_the_password(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError) as caught:
        champion("single-infusion-response")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
