"""Models by their location: a folder, a version or alias in the registry, a run.

Whatever the location, only the bundle is read: no code that was logged with a model is run.
"""

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ketapredict.errors import ModelError
from ketapredict.model.bundle import MODEL_FILE
from ketapredict.response_model import ResponseModel
from ketapredict.tracking.runs import BUNDLE_ARTIFACT, CHAMPION, registered_name
from ketapredict.tracking.store import open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

_MLFLOW_FILE = "MLmodel"
# What MLflow answers where a name, a version, an alias or a run does not exist, or cannot exist.
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_LOCATIONS = (
    f"a folder with {MODEL_FILE}, evidence/PROTOCOL, an MLflow model's folder, models:/NAME/VERSION, "
    "models:/NAME@ALIAS, runs:/RUN_ID/model or a run's id"
)


def find_model(location: str | Path) -> ResponseModel:
    """Load the model at a location.

    Parameters
    ----------
    location : str or Path
        A folder with a saved model, or with an MLflow model; `models:/NAME/VERSION`, `models:/NAME@ALIAS`,
        `models:/NAME/latest`, `runs:/RUN_ID[/...]` or a run's id.

    Returns
    -------
    ResponseModel
        Its version is that of the registry, where the location is the registry's or a run's.

    Raises
    ------
    ModelError
        If there is no model.
    TrackingError
        If the store cannot be used.
    """
    text = str(location)
    if text.startswith("models:/"):
        return _from_registry(text)
    if text.startswith("runs:/") or (_RUN_ID.fullmatch(text) and not Path(text).exists()):
        return _from_run(text.removeprefix("runs:/").strip("/").partition("/")[0])
    folder = Path(location)
    if ResponseModel.is_saved_in(folder):
        return ResponseModel.load(folder)
    if (folder / _MLFLOW_FILE).is_file():
        return ResponseModel.load(folder / "artifacts" / BUNDLE_ARTIFACT)
    raise ModelError(f"Expected a model: {_LOCATIONS}; found none at {text}.")


def champion(name: str) -> ResponseModel:
    """Load the model that passed the gate for a protocol and outcome.

    Parameters
    ----------
    name : str
        `<protocol>-<outcome>`.

    Raises
    ------
    ModelError
        If there is none yet.
    TrackingError
        If the store cannot be used.
    """
    name = registered_name(name)
    advice = (
        "Train one (`ketapredict train`), promote a version (`ketapredict promote VERSION`), or name a model with "
        f"--model: {_LOCATIONS}."
    )
    try:
        return find_model(f"models:/{name}@{CHAMPION}")
    except ModelError:
        raise ModelError(f"Expected a champion of {name}; found none yet. {advice}") from None


def _from_registry(location: str) -> ResponseModel:
    """Load from `models:/`; `models:/m-<id>`, a model logged without a version, is loaded too."""
    name, separator, wanted = location.removeprefix("models:/").strip("/").partition("@")
    if not separator:
        name, _, wanted = name.partition("/")
    with open_store(create=False):
        import mlflow
        from mlflow.exceptions import MlflowException

        client = mlflow.MlflowClient()
        try:
            if not wanted:
                return _downloaded(client, name, None)
            version = _version(client, name, wanted, alias=bool(separator))
        except MlflowException as error:
            if error.error_code not in _ABSENT:
                raise
            raise ModelError(f"Expected a model in the registry; found no {location}. {_known(client, name)}") from None
        return _load(f"models:/{name}/{version}", version)


def _version(client: "MlflowClient", name: str, wanted: str, *, alias: bool) -> str:
    if alias:
        return str(client.get_model_version_by_alias(name, wanted).version)
    if wanted == "latest":
        numbers = [int(found.version) for found in client.search_model_versions(f"name = '{name}'")]
        wanted = str(max(numbers, default=0))
    return str(client.get_model_version(name, wanted).version)


def _known(client: "MlflowClient", name: str) -> str:
    """Say what the registry has instead."""
    names = sorted(model.name for model in client.search_registered_models())
    if name not in names:
        return f"It has: {', '.join(names)}." if names else "It is empty: train a model first."
    model = client.get_registered_model(name)
    aliases = ", ".join(f"@{alias} = {version}" for alias, version in sorted(model.aliases.items()))
    numbers = sorted(int(found.version) for found in client.search_model_versions(f"name = '{name}'"))
    return f"Versions of {name}: {', '.join(map(str, numbers))}; aliases: {aliases or 'none'}."


def _from_run(run_id: str) -> ResponseModel:
    with open_store(create=False):
        import mlflow
        from mlflow.exceptions import MlflowException

        client = mlflow.MlflowClient()
        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if error.error_code not in _ABSENT:
                raise
            raise ModelError(f"Expected an MLflow run; found no run {run_id} in this store.") from None
        logged = run.outputs.model_outputs if run.outputs else []
        if not logged:
            raise ModelError(f"Expected a model in run {run_id}; found none. It may have failed: train again.")
        versions = [int(found.version) for found in client.search_model_versions(f"run_id = '{run_id}'")]
        return _downloaded(client, logged[-1].model_id, str(max(versions)) if versions else None)


def _downloaded(client: "MlflowClient", model_id: str, version: str | None) -> ResponseModel:
    """Load a model by the id that it was logged under."""
    return _load(client.get_logged_model(model_id).artifact_location, version)


def _load(source: str, version: str | None) -> ResponseModel:
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory() as folder:
        try:
            bundle = mlflow.artifacts.download_artifacts(
                artifact_uri=f"{source}/artifacts/{BUNDLE_ARTIFACT}", dst_path=folder
            )
        except (MlflowException, OSError):
            raise ModelError(
                f"Expected a response model of ketapredict with its files; found none in {source}: it is of another "
                "kind, or its files were moved or deleted."
            ) from None
        return ResponseModel.load(bundle, version)
