"""What an estimate was made from, and what was not there."""

from collections.abc import Mapping
from dataclasses import dataclass

from ketapredict.cohort.cells import is_missing
from ketapredict.cohort.columns import CONCEPTS, Column
from ketapredict.cohort.protocols import PRE
from ketapredict.explain.words import moment_words
from ketapredict.model.landmark_model import LandmarkModel


@dataclass(frozen=True, slots=True)
class Input:
    """One column that a landmark's model reads.

    Attributes
    ----------
    name, label : str
    value : str
        With its unit; empty where it is missing.
    """

    name: str
    label: str
    value: str

    @property
    def is_missing(self) -> bool:
        """Whether a training mean stood in for it."""
        return not self.value


def inputs_of(model: LandmarkModel, values: Mapping[str, object], columns: Mapping[str, Column]) -> tuple[Input, ...]:
    """Return the inputs of one course at a landmark, concept by concept.

    Parameters
    ----------
    model : LandmarkModel
    values : mapping of str to object
        A row of the cohort table.
    columns : mapping of str to Column
    """
    found = [columns[name] for name in model.input_columns]
    concepts = list(CONCEPTS)
    found.sort(key=lambda column: concepts.index(column.concept) if column.concept in concepts else len(concepts))
    return tuple(Input(column.name, label_of(column), value_words(column, values.get(column.name))) for column in found)


def label_of(column: Column) -> str:
    """Return a column's label; that of a score says the moment in words."""
    if column.kind == "score" and column.known_at != PRE:
        return f"score at {moment_words(column.known_at)}"
    return column.label


def value_words(column: Column, value: object) -> str:
    """Return a value with its unit; empty where it is missing."""
    text = cell_text(column, value)
    if not text or column.kind in ("yes_no", "level", "text") or not column.unit:
        return text
    return f"{text} {column.unit}"


def cell_text(column: Column, value: object) -> str:
    """Return a value as a cell of the cohort table holds it, exact to the last digit; empty where it is missing."""
    if is_missing(value):
        return ""
    if column.kind == "yes_no":
        return "yes" if float(str(value)) == 1.0 else "no"
    if column.kind in ("level", "text"):
        return str(value)
    number = float(str(value))
    return f"{number:.0f}" if number.is_integer() else repr(number)
