"""Scored courses as columns: one description of the output for data frames, Parquet and CSV."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import TEXT
from ketapredict.model.phrases import Phrases

if TYPE_CHECKING:
    import pyarrow as pa

FIRST = ("course_id", "landmark", "outcome", "probability", "p_low", "p_high", "in_scope", "notes")
LAST = ("trained_on", "model_name", "model_version")
BASE = "base_logit"
SHAP = "shap_"
REASONS_SHOWN = 3
# From so many courses on, texts are copied by their codes.
_FEWEST_TAKEN = 16
Explain = Literal["none", "top3", "all"]


@dataclass(frozen=True)
class ScoredColumns:
    """Estimates of n courses.

    Attributes
    ----------
    rows : numpy.ndarray
        (n,) positions of the courses in the cohort, ascending.
    course_id : pandas.api.extensions.ExtensionArray
        (n,) text.
    texts : dict of str to Phrases
        `landmark`, `outcome`, `notes`, `trained_on`, `model_name`, `model_version`, perhaps `top<rank>_concept`.
    numbers : dict of str to numpy.ndarray
        `probability`, `p_low`, `p_high` (n,), `base_logit` and `shap_<concept>`, or `top<rank>_contribution`; NaN
        where there is none.
    in_scope : numpy.ndarray
        (n,) 1, 0, or -1 where nothing is said about it.
    """

    rows: np.ndarray
    course_id: pd.api.extensions.ExtensionArray
    texts: dict[str, Phrases]
    numbers: dict[str, np.ndarray]
    in_scope: np.ndarray

    @property
    def names(self) -> list[str]:
        """Names of the columns, in the order of the output."""
        return [*FIRST, *self.reasons, *LAST]

    @property
    def reasons(self) -> list[str]:
        """Names of the columns that explain."""
        top = [name for rank in range(1, REASONS_SHOWN + 1) for name in top_names(rank)]
        if top[0] in self.texts:
            return top
        return [name for name in self.numbers if name == BASE or name.startswith(SHAP)]

    def explained(self, how: Explain) -> "ScoredColumns":
        """Return the columns with all contributions, the three largest of each course, or none."""
        if how == "all":
            return self
        numbers = {name: values for name, values in self.numbers.items() if name not in self.reasons}
        if how == "none":
            return replace(self, numbers=numbers)
        concepts = [name.removeprefix(SHAP) for name in self.reasons if name != BASE]
        values = np.array([self.numbers[SHAP + concept] for concept in concepts])
        sizes = np.where(np.isnan(values), -1.0, np.abs(values))
        texts = dict(self.texts)
        courses = np.arange(len(self.rows))
        for rank in range(1, REASONS_SHOWN + 1):
            largest = sizes.argmax(axis=0)
            concept, contribution = top_names(rank)
            texts[concept] = Phrases(largest, tuple(concepts))
            numbers[contribution] = values[largest, courses]
            sizes[largest, courses] = -2.0
        return replace(self, numbers=numbers, texts=texts)

    def to_frame(self, names: Sequence[str] | None = None) -> pd.DataFrame:
        """Return a data frame of some columns, or of all: text, float64, and `in_scope` as nullable boolean."""
        import pyarrow as pa

        columns: dict[str, object] = {"course_id": self.course_id}
        for name, phrases in self.texts.items():
            if len(self.rows) < _FEWEST_TAKEN:
                texts = pa.array(phrases.to_list(), pa.large_string())
            else:
                texts = pa.array(phrases.texts, pa.large_string()).take(pa.array(phrases.codes))
            columns[name] = TEXT.__from_arrow__(texts)
        columns.update(self.numbers)
        columns["in_scope"] = pd.arrays.BooleanArray(self.in_scope == 1, self.in_scope < 0)
        # With an index pandas does not compare the lengths of all columns: half of the time, for one course.
        index = pd.RangeIndex(len(self.rows))
        return pd.DataFrame({name: columns[name] for name in names or self.names}, index=index, copy=False)

    def plain_rows(self) -> list[dict[str, Any]]:
        """Return each course as a dictionary of Python's own values; NaN (`in_scope`: None) where one is missing."""
        columns: dict[str, list[Any]] = {"course_id": self.course_id.tolist()}
        columns |= {name: phrases.to_list() for name, phrases in self.texts.items()}
        columns |= {name: values.tolist() for name, values in self.numbers.items()}
        columns["in_scope"] = [None if judged < 0 else judged == 1 for judged in self.in_scope.tolist()]
        names = self.names
        return [dict(zip(names, row, strict=True)) for row in zip(*(columns[name] for name in names), strict=True)]

    def to_arrow(self) -> "pa.Table":
        """Return an Arrow table with the columns of `schema`; NaN becomes null."""
        import pyarrow as pa

        columns: list[pa.Array] = []
        for name in self.names:
            if name == "course_id":
                columns.append(pa.array(self.course_id, type=pa.large_string()))
            elif name in self.texts:
                phrases = self.texts[name]
                # A text that stands twice among the codes would be written by what the writer holds in memory.
                texts: dict[str, int] = {}
                by_code = np.array([texts.setdefault(text, len(texts)) for text in phrases.texts], dtype=np.int32)
                codes = pa.array(by_code[phrases.codes])
                columns.append(pa.DictionaryArray.from_arrays(codes, pa.array(list(texts), pa.string())))
            elif name == "in_scope":
                columns.append(pa.array(self.in_scope == 1, mask=self.in_scope < 0))
            else:
                columns.append(_with_nulls(self.numbers[name]))
        if not len(self.rows):
            return schema(self.names).empty_table()
        return pa.table(columns, schema=schema(self.names))


def columns_of(concepts: tuple[str, ...], explain: Explain) -> list[str]:
    """Return the names of the output's columns for a model with these concepts."""
    reasons = {
        "all": [BASE, *(SHAP + concept for concept in concepts)],
        "top3": [name for rank in range(1, REASONS_SHOWN + 1) for name in top_names(rank)],
        "none": [],
    }
    return [*FIRST, *reasons[explain], *LAST]


def schema(names: list[str]) -> "pa.Schema":
    """Return the Arrow schema of the output, the same for every batch."""
    import pyarrow as pa

    texts = ("landmark", "outcome", "notes", *(top_names(rank)[0] for rank in range(1, REASONS_SHOWN + 1)), *LAST)
    types = dict.fromkeys(texts, pa.dictionary(pa.int32(), pa.string()))
    types |= {"course_id": pa.large_string(), "in_scope": pa.bool_()}
    return pa.schema([pa.field(name, types.get(name, pa.float64())) for name in names])


def top_names(rank: int) -> tuple[str, str]:
    """Return the names of the columns of the concept that moves an estimate most, second most, third most."""
    return f"top{rank}_concept", f"top{rank}_contribution"


def _with_nulls(values: np.ndarray) -> "pa.Array":
    import pyarrow as pa

    # One NaN makes the sum one.
    if len(values) and np.isnan(values.sum()):
        return pa.array(values, from_pandas=True)
    return pa.array(values)
