"""One trained model becomes one MLflow run and one version of a registered model."""

import math
import os
import tempfile
from dataclasses import dataclass
from importlib import metadata
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING

from ketapredict.model.bundle import Bundle
from ketapredict.report.invented import invented_example
from ketapredict.response_model import ResponseModel
from ketapredict.tracking.code_version import PACKAGE_FOLDER, code_version
from ketapredict.tracking.rows import score_rows
from ketapredict.tracking.signature import model_signature
from ketapredict.tracking.store import Store, open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models.model import ModelInfo

CHALLENGER = "challenger"
CHAMPION = "champion"
BUNDLE_ARTIFACT = "bundle"
MODEL_ARTIFACT = "model"
SHA256_TAG = "bundle_sha256"
# What scoring imports; the package itself travels with the model.
_REQUIRED = (
    "mlflow", "numpy", "pandas", "pyarrow", "scipy", "scikit-learn", "xgboost-cpu", "joblib", "threadpoolctl", "rich"
)  # fmt: skip
_PYFUNC_CODE = Path(__file__).with_name("pyfunc_model.py")
# MLflow takes no more at a time.
_PARAMETERS_AT_A_TIME, _METRICS_AT_A_TIME = 100, 1000


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a training run leaves behind, next to the model.

    Attributes
    ----------
    parameters : dict of str to str, int or float
    metrics : dict of str to float
        `<landmark>/<measure>`; what is not finite is left out.
    tags : dict of str to str
    artifacts : Path
        Folder of tables and pictures, logged as it is: it must hold no patient's row.
    """

    parameters: dict[str, str | int | float]
    metrics: dict[str, float]
    tags: dict[str, str]
    artifacts: Path


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """Where a run and its model are found.

    Attributes
    ----------
    run_id : str
    experiment : str
    model_name : str
        Name in the registry: one per protocol and outcome.
    model_version : str
    model_uri : str
        `models:/<name>/<version>`, for `--model`.
    tracking_uri : str
        Without a password.
    """

    run_id: str
    experiment: str
    model_name: str
    model_version: str
    model_uri: str
    tracking_uri: str


def registered_name(bundle_name: str) -> str:
    """Return a bundle's name in the registry, where `/`, `:` and quotes cannot be part of a name."""
    return "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in bundle_name)


def log_run(model: ResponseModel, record: RunRecord) -> LoggedRun:
    """Log a run, register its model as a new version and point the alias `challenger` at it.

    Parameters
    ----------
    model : ResponseModel
    record : RunRecord

    Returns
    -------
    LoggedRun

    Raises
    ------
    TrackingError
        If the store cannot be used; the run is then marked as failed, if it exists at all.
    """
    bundle = model.bundle
    name = registered_name(bundle.name)
    experiment = f"ketapredict-{name}"
    with open_store() as store:
        import mlflow

        client = mlflow.MlflowClient()
        run = client.create_run(
            experiment_id(client, experiment, store),
            tags=_own_tags(model) | record.tags,
            run_name=f"{name} {model.sha256[:12]}",
        )
        # Nested: a notebook may have a run open; ours is one of its own.
        with mlflow.start_run(run_id=run.info.run_id, nested=True):
            _log_record(client, run.info.run_id, record)
            info = _log_model(model)
        version = _register(client, model, name, info)
    return LoggedRun(run.info.run_id, experiment, name, version, f"models:/{name}/{version}", store.shown_uri)


def experiment_id(client: "MlflowClient", name: str, store: Store) -> str:
    """Return the id of an experiment, which is made where there is none."""
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        return str(experiment.experiment_id)
    return str(client.create_experiment(name, artifact_location=store.artifact_location))


def _own_tags(model: ResponseModel) -> dict[str, str]:
    bundle = model.bundle
    tags = {
        "statement": bundle.statement,
        "trained_on": bundle.trained_on,
        "seed": str(bundle.provenance.get("seed", "")),
        "data_sha256": str(bundle.provenance.get("data_sha256", "")),
        SHA256_TAG: model.sha256,
        "mlflow.source.name": "ketapredict",
        "mlflow.source.type": "LOCAL",
        "mlflow.note.content": _description(bundle),
    }
    tags |= code_version()
    # `mlflow run` opens a run of its own, in another experiment, and logs the entry point's parameters there.
    project_run = os.environ.get("MLFLOW_RUN_ID")
    return tags | {"mlflow.parentRunId": project_run} if project_run else tags


def _log_record(client: "MlflowClient", run_id: str, record: RunRecord) -> None:
    import mlflow
    from mlflow.entities import Metric, Param
    from mlflow.utils.time import get_current_time_millis

    now = get_current_time_millis()
    parameters = [Param(name, str(value)) for name, value in record.parameters.items()]
    metrics = [Metric(name, float(value), now, 0) for name, value in record.metrics.items() if math.isfinite(value)]
    for some in batched(parameters, _PARAMETERS_AT_A_TIME):
        client.log_batch(run_id, params=some)
    for several in batched(metrics, _METRICS_AT_A_TIME):
        client.log_batch(run_id, metrics=several)
    mlflow.log_artifacts(str(record.artifacts))


def _log_model(model: ResponseModel) -> "ModelInfo":
    """Log the bundle as a pyfunc made from code."""
    import mlflow.pyfunc

    example = invented_example(model.bundle)
    signature = model_signature(model.bundle, score_rows(model, example))
    with tempfile.TemporaryDirectory() as folder:
        bundle_folder = Path(folder) / BUNDLE_ARTIFACT
        model.save(bundle_folder)
        info: ModelInfo = mlflow.pyfunc.log_model(
            name=MODEL_ARTIFACT,
            python_model=str(_PYFUNC_CODE),
            artifacts={BUNDLE_ARTIFACT: str(bundle_folder)},
            code_paths=[str(PACKAGE_FOLDER)],
            signature=signature,
            input_example=example,
            pip_requirements=[f"{package}=={metadata.version(package)}" for package in _REQUIRED],
            metadata={"statement": model.bundle.statement, SHA256_TAG: model.sha256},
        )
    return info


def _register(client: "MlflowClient", model: ResponseModel, name: str, info: "ModelInfo") -> str:
    """Make the next version of the registered model; return its number."""
    from mlflow.exceptions import MlflowException

    bundle = model.bundle
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    tags = {
        "statement": bundle.statement,
        "trained_on": bundle.trained_on,
        SHA256_TAG: model.sha256,
    }
    made = client.create_model_version(
        name, info.model_uri, info.run_id, tags=tags, description=_description(bundle), model_id=info.model_id
    )
    client.set_registered_model_alias(name, CHALLENGER, made.version)
    return str(made.version)


def _description(bundle: Bundle) -> str:
    landmarks = ", ".join(model.landmark for model in bundle.landmarks)
    return (
        f"{bundle.statement}\n\nProbability of {bundle.outcome} at {bundle.protocol.outcome} under the protocol "
        f"{bundle.protocol.name}, predicted at {landmarks}; scales: {', '.join(bundle.scales)}."
    )
