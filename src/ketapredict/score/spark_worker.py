"""What runs in Spark's Python workers: Arrow batches of cells in, scored courses out. Nothing here imports Spark."""

import json
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from ketapredict.cohort.cohort import REJECT_COLUMNS, holds_simulated
from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.cohort.observed import Observed
from ketapredict.cohort.raw_courses import RawCourses
from ketapredict.cohort.rejects import RejectLog
from ketapredict.cohort.repeated_ids import text_hashes
from ketapredict.cohort.spool import RejectSpool
from ketapredict.cohort.wide_table import cells_of, few_texts, ids_of, read_parquet_batches
from ketapredict.errors import KetapredictError
from ketapredict.explain.scored import Explain
from ketapredict.response_model import ResponseModel
from ketapredict.score.batch import ROWS_AT_ONCE, ScoredBatch, score_batch, validated_batch
from ketapredict.score.parts import GrowingFile, ParquetFormat

if TYPE_CHECKING:
    import pyarrow as pa

# What a task is given of an input of files: row groups, and the number of rows in front of each.
GROUPS = "path string, row_group int, before long"
# Of an output with one row for each that came in.
REJECTED = "rejected"
_LOADED: dict[str, ResponseModel] = {}


class Shipped(Protocol):
    """A Spark broadcast: sent once to each executor."""

    value: "Shipment"


@dataclass(frozen=True)
class Shipment:
    """All that a worker needs beside the rows.

    Attributes
    ----------
    files : dict of str to bytes
        Of the saved model.
    sha256, version : str
        Of the model.
    extras : tuple of Column
    landmark : str or None
    explain : {"all", "top3", "none"}
    repeated : tuple of numpy.ndarray
        The two hashes of the course ids that stand more than once.
    names : tuple of str
        Columns of an input of files.
    row_column : str
        Column that holds row numbers, or empty: rows are counted.
    """

    files: dict[str, bytes]
    sha256: str
    version: str
    extras: tuple[Column, ...]
    landmark: str | None
    explain: Explain
    repeated: tuple[np.ndarray, np.ndarray]
    names: tuple[str, ...] = ()
    row_column: str = ""

    def model(self) -> ResponseModel:
        """Return the model; a worker loads it once."""
        if self.sha256 not in _LOADED:
            with tempfile.TemporaryDirectory() as folder:
                for name, content in self.files.items():
                    (Path(folder) / name).write_bytes(content)
                _LOADED[self.sha256] = ResponseModel.load(folder, self.version)
        return _LOADED[self.sha256]


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """What a task wrote, told to the driver.

    Attributes
    ----------
    name : str
        Of the folder with the part's files; another for each attempt.
    before : int
        Rows of the input in front of it.
    courses, scored : int
    rejects : int
        Broken rules.
    largest_residual : float
    observed : dict
    sha256 : str
        Of the scored courses' file.
    error : str
        Why the request cannot be met at all; another attempt would say the same.
    """

    name: str = ""
    before: int = 0
    courses: int = 0
    scored: int = 0
    rejects: int = 0
    largest_residual: float = 0.0
    observed: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""
    error: str = ""

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return what `to_text` gave."""
        return cls(**json.loads(text))

    def to_text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))


OUTPUT, REJECTS = "output.parquet", "rejects.parquet"


def id_hashes(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    """Yield two hashes of each course id, as signed integers; none where there is no id."""
    import pyarrow as pa

    for batch in batches:
        ids = ids_of(batch.column(0))
        there = np.asarray(ids.is_valid())
        pair = [pa.array(hashes[there].view(np.int64)) for hashes in text_hashes(ids)]
        yield pa.RecordBatch.from_arrays(pair, ["first", "second"])


def id_hashes_of_groups(groups: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    """Yield the hashes of the course ids of row groups, up to a damaged one: whoever scores them tells of it."""
    with suppress(KetapredictError):
        yield from id_hashes(batch for batch, _ in cells_of_groups(groups, ["course_id"], []))


def cells_of_groups(
    groups: "Iterator[pa.RecordBatch]", names: list[str], levels: list[str]
) -> "Iterator[tuple[pa.RecordBatch, int]]":
    """Read row groups; yield batches of cells, and the number of rows in front of each."""
    for several in groups:
        for path, group, before in zip(*(column.to_pylist() for column in several.columns), strict=True):
            for batch in read_parquet_batches(Path(path), ROWS_AT_ONCE, names, levels, [group]):
                yield batch, before
                before += len(batch)


def scored_batches(batches: "Iterator[tuple[pa.RecordBatch, int]]", shipment: Shipment) -> Iterator[ScoredBatch]:
    """Score batches of cells, each given with the number of rows in front of it."""
    with threadpool_limits(1):
        model = shipment.model()
        declared = declared_columns(model.bundle.protocol, shipment.extras)
        for batch, before in batches:
            if len(batch):
                raw = _raw(batch, before, shipment, declared)
                valid = validated_batch(model, raw, shipment.extras)
                found = score_batch(model, valid, shipment.landmark, shipment.explain)
                if not np.array_equal(np.union1d(found.rows, found.rejects["row"]), np.sort(raw.rows)):
                    raise AssertionError("courses do not add up")
                yield found


def write_part(groups: "Iterator[pa.RecordBatch]", shipment: Shipment, folder: Path) -> "Iterator[pa.RecordBatch]":
    """Score the row groups of a task and write them into a folder of this attempt; yield one row, a `WrittenPart`."""
    import pyarrow as pa

    try:
        part = _written(groups, shipment, folder)
    except KetapredictError as error:
        part = WrittenPart(error=str(error))
    yield pa.RecordBatch.from_pydict({"part": [part.to_text()]})


def scored_rows(batches: "Iterator[pa.RecordBatch]", shipment: Shipment) -> "Iterator[pa.RecordBatch]":
    """Yield a row for each that came in: the output's columns, empty where it is rejected, and `rejected`."""
    import pyarrow as pa

    for batch in batches:
        for found in scored_batches(iter([(batch, 0)]), shipment):
            place = np.full(len(batch), -1)
            place[found.rows - 1] = np.arange(len(found.rows))
            taken = pa.array(place, mask=place < 0)
            table = found.columns.to_arrow().take(taken)
            table = table.cast(pa.schema([column.with_type(plain_type(column.type)) for column in table.schema]))
            ids = ids_of(batch.column(batch.schema.get_field_index("course_id"))).cast(pa.string())
            table = table.set_column(table.schema.get_field_index("course_id"), "course_id", ids)
            rejected = _listed(found.rejects, len(batch))
            yield from table.append_column(REJECTED, rejected).combine_chunks().to_batches()


def rejected_type() -> "pa.DataType":
    """Return the type of the column `rejected`: the broken rules of a row."""
    import pyarrow as pa

    return pa.list_(pa.struct([(name, pa.string()) for name in REJECT_COLUMNS[2:]]))


def _written(groups: "Iterator[pa.RecordBatch]", shipment: Shipment, folder: Path) -> WrittenPart:
    own = folder / f"part-{uuid.uuid4().hex}"
    output: GrowingFile | None = None
    form, kept = ParquetFormat(), []
    courses, scored, broken, residual, observed = 0, 0, 0, 0.0, Observed()
    few = few_texts(declared_columns(shipment.model().bundle.protocol, shipment.extras))
    try:
        cells = cells_of_groups(groups, list(shipment.names), few)
        start = next(cells, None)
        for found in scored_batches(chain([start] if start else [], cells), shipment):
            if output is None:
                own.mkdir(parents=True)
                output = GrowingFile(own / OUTPUT)
                spool = RejectSpool(own / REJECTS)
            if len(found.rows):
                kept.append(form.piece(found.columns.to_arrow(), output))
            spool.add(found.rejects)
            courses, scored = courses + found.courses, scored + len(found.rows)
            broken += len(found.rejects)
            residual = max(residual, found.largest_residual)
            observed = observed.plus(found.observed)
        if start is None or output is None:
            return WrittenPart()
        if kept:
            form.finish(kept, output)
        output.commit()
        spool.close()
        return WrittenPart(own.name, start[1], courses, scored, broken, residual, observed.to_plain(), output.sha256)
    finally:
        if output is not None:
            with suppress(OSError):
                output.close()


def _raw(batch: "pa.RecordBatch", before: int, shipment: Shipment, declared: dict[str, Column]) -> RawCourses:
    import pyarrow as pa

    few = few_texts(declared)
    names = [name for name in batch.schema.names if name != shipment.row_column]
    columns = {name: batch.column(batch.schema.get_field_index(name)) for name in batch.schema.names}
    for name in names:
        if name in few and pa.types.is_string(columns[name].type):
            columns[name] = columns[name].dictionary_encode()
    cells = cells_of(pa.table(columns), names, declared)
    rows = np.arange(before + 1, before + 1 + len(batch))
    if shipment.row_column:
        rows = np.asarray(columns[shipment.row_column]).astype(np.int64)
    repeated = np.zeros(len(batch), dtype=bool)
    if len(shipment.repeated[0]):
        ids = ids_of(batch.column(batch.schema.get_field_index("course_id")))
        pair = zip(text_hashes(ids), shipment.repeated, strict=True)
        first, second = (np.isin(hashes.view(np.int64), again) for hashes, again in pair)
        repeated = first & second & np.asarray(ids.is_valid())
    return RawCourses(
        cells,
        rows,
        RejectLog(),
        used=len(batch),
        simulated=holds_simulated(cells),
        repeated=repeated,
    )


def _listed(rejects: pd.DataFrame, rows: int) -> "pa.Array":
    """Return the broken rules of each row as a list, null where there is none; `row` counts from 1."""
    import pyarrow as pa

    kind = rejected_type()
    numbers = np.bincount(rejects["row"].to_numpy() - 1, minlength=rows)
    starts = np.concatenate([[0], np.cumsum(numbers)])
    texts = [pa.array(rejects[name], pa.string(), from_pandas=True) for name in REJECT_COLUMNS[2:]]
    rules = pa.StructArray.from_arrays(texts, fields=list(kind.value_type))
    offsets = pa.array(starts.astype(np.int32), mask=np.append(numbers == 0, False))
    return pa.ListArray.from_arrays(offsets, rules, type=kind)


def plain_type(kind: "pa.DataType") -> "pa.DataType":
    """Return a type that Spark has."""
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.string() if pa.types.is_large_string(kind) else kind
