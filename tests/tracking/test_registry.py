import pytest

from ketapredict.errors import ModelError
from ketapredict.tracking.registry import champion, find_model
from ketapredict.tracking.store import open_store


def test_every_kind_of_location_gives_the_same_model(store):
    store.model.save(store.folder / "saved")
    name, run_id = store.run.model_name, store.run.run_id
    in_registry = [
        store.run.model_uri,
        f"models:/{name}@challenger",
        f"models:/{name}/latest",
        run_id,
        f"runs:/{run_id}",
        f"runs:/{run_id}/model",
    ]
    folders = [store.folder / "saved", next((store.folder / "mlartifacts" / "models").iterdir()) / "artifacts"]
    for location in [*in_registry, *folders]:
        assert find_model(location).sha256 == store.model.sha256
    assert {find_model(location).version for location in in_registry} == {store.run.model_version}
    assert {find_model(folder).version for folder in folders} == {store.model.version}


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("no-such-folder", "models:/NAME/VERSION"),
        ("models:/other/1", "It has: single-infusion-response"),
        ("models:/single-infusion-response/99", "Versions of single-infusion-response: 1"),
        ("models:/single-infusion-response@nobody", "aliases: @challenger = 1"),
        ("models:/", "It has"),
        ("models:/m-123", "It has"),
        ("runs:/" + "0" * 32, "no run"),
        ("0" * 32, "no run"),
    ],
)
def test_what_does_not_exist_is_said(store, location, message):
    with pytest.raises(ModelError, match=message):
        find_model(location)


def test_an_empty_folder_has_no_champion_and_gets_no_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ModelError, match="ketapredict promote"):
        champion("single-infusion-response")
    assert not list(tmp_path.iterdir())


def test_the_champion_is_the_version_with_that_alias(store):
    name = store.run.model_name
    with pytest.raises(ModelError, match="found none yet"):
        champion(name)
    with open_store(create=False):
        import mlflow

        client = mlflow.MlflowClient()
        client.set_registered_model_alias(name, "champion", store.run.model_version)
    try:
        assert champion(name).sha256 == store.model.sha256
    finally:
        with open_store(create=False):
            client.delete_registered_model_alias(name, "champion")
