"""The code that MLflow runs to serve a model; logged as a file, nothing is pickled.

Nothing in the package imports this module: MLflow executes it when a model is logged or loaded.
"""

import os
from pathlib import Path
from typing import Any

import mlflow.models
import mlflow.pyfunc
import pandas as pd
from mlflow.store.artifact.models_artifact_repo import REGISTERED_MODEL_META_FILE_NAME
from mlflow.utils.yaml_utils import read_yaml

from ketapredict.response_model import ResponseModel
from ketapredict.tracking.rows import score_rows
from ketapredict.tracking.signature import LANDMARK
from ketapredict.tracking.store import prepare_mlflow

# MLflow sets it in its scoring server, which writes NaN into JSON as it is: no JSON reader takes that.
_SERVING = "_MLFLOW_IS_IN_SERVING_ENVIRONMENT"


class ServedResponseModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """A response model behind MLflow's interface: courses in, the scored table out."""

    def load_context(self, context: Any) -> None:
        """Load the bundle; MLflow requires that the argument is called `context`."""
        prepare_mlflow()
        bundle = Path(context.artifacts["bundle"])
        self.model = ResponseModel.load(bundle, _registry_version(bundle.parents[1]))

    def predict(
        self,
        context: Any,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Score each row; see `ketapredict.tracking.rows.score_rows`."""
        landmark = str((params or {}).get(LANDMARK) or "") or None
        # An error stays an error of ours: MLflow puts the whole table into the text of its own.
        table = score_rows(self.model, model_input, landmark)
        if os.environ.get(_SERVING) == "true":
            return table.astype(object).where(table.notna(), None)
        return table


def _registry_version(folder: Path) -> str | None:
    """Return the version that MLflow notes beside a model that it fetched from the registry."""
    if not (folder / REGISTERED_MODEL_META_FILE_NAME).is_file():
        return None
    return str(read_yaml(folder, REGISTERED_MODEL_META_FILE_NAME)["model_version"])


mlflow.models.set_model(ServedResponseModel())
