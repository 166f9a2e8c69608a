"""What a logged model takes and gives: types of every column."""

from typing import TYPE_CHECKING

import pandas as pd

from ketapredict.cohort.columns import declared_columns
from ketapredict.model.bundle import Bundle

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

LANDMARK = "landmark"
_NUMBERS = ("number", "score")
_TEXTS_GIVEN = (
    "course_id", "landmark", "outcome", "notes", "trained_on", "model_name", "model_version"
)  # fmt: skip


def model_signature(bundle: Bundle, scored: pd.DataFrame) -> "ModelSignature":
    """Describe input, output and parameters of a model for MLflow.

    Numbers are doubles, because a whole number with a gap is none for MLflow; everything else is a string
    (yes and no as words). Only what the cohort table requires is required.

    Parameters
    ----------
    bundle : Bundle
    scored : pandas.DataFrame
        A scored table: its columns are the output.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    inputs = [
        ColSpec(DataType.double if column.kind in _NUMBERS else DataType.string, name, required=column.required)
        for name, column in declared_columns(bundle.protocol, bundle.extras).items()
    ]
    outputs = []
    for name in scored.columns:
        given = DataType.boolean if name == "in_scope" else DataType.double
        kind = DataType.string if name in _TEXTS_GIVEN else given
        # A row that is not scored has no numbers.
        outputs.append(ColSpec(kind, name, required=name in ("outcome", "notes")))
    parameters = ParamSchema([ParamSpec(LANDMARK, DataType.string, "")])
    return ModelSignature(Schema(inputs), Schema(outputs), parameters)
