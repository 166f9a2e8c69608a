"""Score on Spark: the same function as on one machine, its batches spread over a cluster's cores.

Spark hands out row groups; each task reads its own, writes its part into a folder of its attempt and tells the driver:
the rows do not pass through the JVM, which would take more time than scoring them. Only the attempts that Spark counts
as successful become part of the output, so that a task that failed or ran twice leaves neither a duplicate nor a hole.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ketapredict.cohort.columns import Column
from ketapredict.cohort.observed import Observed
from ketapredict.cohort.spool import RejectSpool, bounded_duckdb, sort_rejects
from ketapredict.cohort.wide_table import ParquetTable
from ketapredict.errors import EngineError, FileError, KetapredictError
from ketapredict.explain.scored import Explain, columns_of, schema
from ketapredict.model.bundle import bundle_files
from ketapredict.response_model import ResponseModel
from ketapredict.score.batch import ROWS_AT_ONCE
from ketapredict.score.files import ScoredFile, counted, nothing_scored, places_of_results
from ketapredict.score.inputs import ScoredInput, open_as_parquet
from ketapredict.score.manifest import NO_OUTPUT, Totals, manifest, options_told
from ketapredict.score.parts import PARQUET
from ketapredict.score.spark_session import quiet_spark, spark_session
from ketapredict.score.spark_worker import (
    GROUPS,
    OUTPUT,
    REJECTED,
    REJECTS,
    Shipment,
    WrittenPart,
    id_hashes,
    id_hashes_of_groups,
    plain_type,
    rejected_type,
    scored_rows,
    write_part,
)
from ketapredict.score.unfinished import UnfinishedRun, unfinished_run
from ketapredict.whole_files import flush_folder, reason

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark import Broadcast
    from pyspark.sql import DataFrame, SparkSession

_PART = "part-{:05d}.parquet"
# Enough tasks that no core waits long for the last, and none so long that repeating it costs much.
_TASKS_OF_CORE, _ROWS_OF_TASK = 3, 1_000_000


def score_with_spark(
    path: str | Path,
    output: str | Path,
    model: ResponseModel,
    *,
    mapping: str | Path | None = None,
    landmark: str | None = None,
    explain: Explain = "all",
) -> ScoredFile:
    """Score the courses of a file on Spark and write a folder of Parquet parts, rejects and a manifest.

    Values, rejects, counts and the order of rows are those of `score_file`. The active Spark session is used, or that
    of `spark-submit`, else a local one is started. Input and output must have the same path on the driver and on every
    executor.

    Parameters
    ----------
    path : path
        Parquet in the form of the cohort table, a file or a folder of parts. Everything else that can be scored
        becomes that first, on the driver.
    output : path
        Ends in `.parquet`: a folder.
    model : ResponseModel
    mapping : path or None
    landmark : str or None
    explain : {"all", "top3", "none"}

    Returns
    -------
    ScoredFile

    Raises
    ------
    EngineError
        If Spark is absent, does not start, or gave up.
    FileError, MappingError, CohortError
        As `score_file`.
    """
    path, output = Path(path), Path(output)
    mapping = Path(mapping) if mapping is not None else None
    _refuse_output(output)
    result = places_of_results(path, output, mapping, model)
    with unfinished_run(output, result.rejects, result.manifest) as run:
        try:
            run.start_over()
            protocol, extras = model.bundle.protocol, model.bundle.extras
            given = open_as_parquet(path, mapping, protocol, extras, run.folder)
            parts: list[WrittenPart] = []
            if given.table is not None:
                with given.files.read(), spark_session() as session:
                    parts = write_parts(session, given, model, landmark, explain, run.folder.absolute())
            observed = reduce(Observed.plus, (Observed.from_plain(p.observed) for p in parts), Observed())
            residual = max((part.largest_residual for part in parts), default=0.0)
            totals = Totals(sum(part.scored for part in parts), residual, observed)
            if sum(part.courses for part in parts) + given.rejected != given.courses:
                raise AssertionError("courses do not add up")
            given.files.refuse_changes()
            result = counted(result, given.courses, totals.scored)
            _gather_rejects(run, parts, given)
            made_with = options_told(landmark, explain) | {"engine": "spark"}
            if not totals.scored:
                run.only_rejects(manifest(model, given, totals, made_with, NO_OUTPUT, "pyspark"))
                raise nothing_scored(result)
            told = {"name": output.name} | _gather_output(run, parts)
            run.appear(manifest(model, given, totals, made_with, told, "pyspark"))
        except OSError as error:
            run.leave()
            raise FileError(f"Cannot write the results to {output.parent}: {reason(error)}.") from None
        except BaseException:
            run.leave()
            raise
    return result


def write_parts(
    session: "SparkSession",
    given: ScoredInput,
    model: ResponseModel,
    landmark: str | None,
    explain: Explain,
    folder: Path,
) -> list[WrittenPart]:
    """Let Spark's tasks score an input and write parts into a folder; returns those that count, in order.

    Parameters
    ----------
    session : pyspark.sql.SparkSession
    given : ScoredInput
    model : ResponseModel
    landmark : str or None
    explain : {"all", "top3", "none"}
    folder : Path
        The same for all executors.

    Raises
    ------
    EngineError, KetapredictError
    """
    assert isinstance(given.table, ParquetTable)
    with _spark_errors(), quiet_spark():
        groups = _groups(session, given.table)
        repeated = _NONE_REPEATED
        if not given.table.row_column:
            repeated = _repeated(groups.mapInArrow(id_hashes_of_groups, _HASHES))
        shipment = _shipment(model, given.extras, landmark, explain, repeated, given.table)
        shipped = session.sparkContext.broadcast(shipment)
        write = partial(_write_part, shipped=shipped, folder=str(folder))
        told = groups.mapInArrow(write, "part string").collect()
    parts = [WrittenPart.from_text(row["part"]) for row in told]
    for part in parts:
        if part.error:
            raise KetapredictError(part.error)
    parts = sorted((part for part in parts if part.name), key=lambda part: part.before)
    if not all((folder / part.name / OUTPUT).is_file() for part in parts):
        raise EngineError(
            f"Expected the parts that Spark's executors wrote in {folder.parent}, found not all of them. The output's "
            "folder must be one that all machines share under this name."
        )
    return parts


def scored_frame(
    frame: "DataFrame", model: ResponseModel, *, landmark: str | None = None, explain: Explain = "all"
) -> "DataFrame":
    """Score a Spark data frame in the form of the cohort table, on the cluster that it lives on.

    Course ids that stand more than once are looked for at once; scoring itself is done when the result is used.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame
    model : ResponseModel
    landmark : str or None
    explain : {"all", "top3", "none"}

    Returns
    -------
    pyspark.sql.DataFrame
        A row for each that came in: the columns of a scored file, and `rejected`, the broken rules of a course (array
        of `column`, `rule`, `expected`) or null. A course that is rejected has nothing but its id and these.

    Raises
    ------
    EngineError, FileError, CohortError
    """
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

    from ketapredict.cohort.arrow_cells import refuse_unreadable, unreadable_columns
    from ketapredict.cohort.columns import declared_columns
    from ketapredict.cohort.validation import refuse_unknown_columns, require_columns

    declared = declared_columns(model.bundle.protocol, model.bundle.extras)
    refuse_unknown_columns(frame.columns, declared, "The data frame")
    require_columns(frame.columns, declared)
    refuse_unreadable(unreadable_columns(to_arrow_schema(frame.schema)), declared, "The data frame")
    with _spark_errors(), quiet_spark():
        repeated = _repeated(frame.select("course_id").mapInArrow(id_hashes, _HASHES))
        shipment = _shipment(model, model.bundle.extras, landmark, explain, repeated, None)
        shipped = frame.sparkSession.sparkContext.broadcast(shipment)
        fields = from_arrow_schema(_rows_schema(model, explain))
        return frame.mapInArrow(partial(_scored_rows, shipped=shipped), fields)


def _repeated(hashes: "DataFrame") -> tuple[np.ndarray, np.ndarray]:
    """Return the two hashes of each course id that stands more than once, in whichever parts of the input."""
    found = hashes.groupBy("first", "second").count().where("count > 1").toArrow()
    return found["first"].to_numpy(), found["second"].to_numpy()


_HASHES = "first long, second long"
_NONE_REPEATED = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)


def _write_part(
    groups: "Iterator[pa.RecordBatch]", shipped: "Broadcast[Shipment]", folder: str
) -> "Iterator[pa.RecordBatch]":
    return write_part(groups, shipped.value, Path(folder))


def _scored_rows(batches: "Iterator[pa.RecordBatch]", shipped: "Broadcast[Shipment]") -> "Iterator[pa.RecordBatch]":
    return scored_rows(batches, shipped.value)


def _shipment(
    model: ResponseModel,
    extras: tuple[Column, ...],
    landmark: str | None,
    explain: Explain,
    repeated: tuple[np.ndarray, np.ndarray],
    table: ParquetTable | None,
) -> Shipment:
    row_column = table.row_column if table is not None else ""
    names = tuple(table.names) if table is not None else ()
    files = bundle_files(model.bundle)
    return Shipment(files, model.sha256, model.version, extras, landmark, explain, repeated, names, row_column)


def _groups(session: "SparkSession", table: ParquetTable) -> "DataFrame":
    """Return the input's row groups, divided into tasks in the order of the input."""
    groups = [(str(path.absolute()), group, before) for path, group, before in table.row_groups]
    context = session.sparkContext
    tasks = max(_TASKS_OF_CORE * context.defaultParallelism, table.row_count // _ROWS_OF_TASK)
    return session.createDataFrame(context.parallelize(groups, min(tasks, len(groups))), GROUPS)


def _rows_schema(model: ResponseModel, explain: Explain) -> "pa.Schema":
    import pyarrow as pa

    columns = schema(columns_of(model.concepts, explain))
    plain = [field.with_type(plain_type(field.type)) for field in columns]
    return pa.schema([*plain, pa.field(REJECTED, rejected_type())])


def _gather_output(run: UnfinishedRun, parts: list[WrittenPart]) -> dict[str, Any]:
    """Put the parts under the names that they keep; returns their number and hash."""
    run.output.mkdir()
    digest = hashlib.sha256()
    kept = [part for part in parts if part.scored]
    for number, part in enumerate(kept):
        name = _PART.format(number)
        (run.folder / part.name / OUTPUT).replace(run.output / name)
        digest.update(f"{name}\x1f{part.sha256}\n".encode())
    flush_folder(run.output)
    return {"sha256": digest.hexdigest(), "parts": len(kept)}


def _gather_rejects(run: UnfinishedRun, parts: list[WrittenPart], given: ScoredInput) -> None:
    """Write the rejects of all parts, and those that were found before, in the order of rows."""
    import pyarrow.parquet as pq

    from ketapredict.cohort.rejects import no_rejects

    spools = [run.folder / part.name / REJECTS for part in parts if part.rejects]
    with RejectSpool(run.folder / "earlier-rejects.parquet") as before:
        for earlier in given.earlier_rejects(ROWS_AT_ONCE):
            before.add(earlier.rejects)
    spools += [before.path] * bool(before.rows)
    with run.rejects.open("w", encoding="utf-8") as file:
        no_rejects().to_csv(file, index=False)
        if spools:
            ordered = run.folder / "rejects-in-order.parquet"
            with bounded_duckdb(run.folder) as base:
                sort_rejects(base, spools, ordered)
            with pq.ParquetFile(ordered, memory_map=True) as rejects:
                for batch in rejects.iter_batches(ROWS_AT_ONCE):
                    batch.to_pandas().to_csv(file, index=False, header=False)
        file.flush()
        os.fsync(file.fileno())


def _refuse_output(output: Path) -> None:
    if output.suffix != PARQUET:
        raise FileError(
            f"Expected an output that ends in {PARQUET} for the engine spark (a folder of parts); found {output.name}."
        )
    own = output.with_name(output.name + ".manifest.json").exists()
    known = output.is_dir() and all(path.match(_PART.replace("{:05d}", "*")) for path in output.iterdir())
    if output.exists() and not (own and (known or output.is_file())):
        raise FileError(
            f"Expected no {output}, or results of an earlier run; found something else. Choose another name."
        )


@contextmanager
def _spark_errors() -> Iterator[None]:
    """Turn failures of Spark into one message; its texts may hold cells, so they stay in its log."""
    try:
        yield
    except KetapredictError:
        raise
    except Exception as error:
        if not type(error).__module__.startswith(("pyspark", "py4j")):
            raise
        raise EngineError(
            f"Spark gave up ({type(error).__name__}). Its log says why; nothing was written under the output's name."
        ) from None
