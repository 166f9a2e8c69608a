"""Score a cohort from file to file: output, rejects and manifest, complete or not at all."""

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from ketapredict import __version__
from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.read import read_cohort
from ketapredict.errors import CohortError, FileError
from ketapredict.response_model import ResponseModel, Scored

FORMATS = (".csv", ".parquet")


@dataclass(frozen=True, slots=True)
class ScoredFile:
    """Where the results of a scoring run are, and its counts."""

    output: Path
    rejects: Path
    manifest: Path
    courses: int
    scored: int
    rejected: int
    statement: str


def score_file(
    path: str | Path,
    output: str | Path,
    model: ResponseModel,
    *,
    mapping: str | Path | None = None,
    landmark: str | None = None,
) -> ScoredFile:
    """Score the courses of a file and write probabilities with contributions.

    Writes `OUTPUT` (one row per scored course), `OUTPUT.rejects.csv` and `OUTPUT.manifest.json`. Each
    appears under its name only when it is complete.

    Parameters
    ----------
    path : path
        A file, or a folder where the mapping names the files.
    output : path
        Ends in `.csv` or `.parquet`.
    model : ResponseModel
        The file is read under its protocol, with its extra covariates.
    mapping : path or None
    landmark : str or None
        One landmark for all; by default each course's latest.

    Returns
    -------
    ScoredFile

    Raises
    ------
    FileError
        If the output has another ending or cannot be written.
    CohortError
        If no course could be scored; the rejects are written.
    """
    output = Path(output)
    if output.suffix not in FORMATS:
        raise FileError(f"Expected an output that ends in {' or '.join(FORMATS)}; found {output.name}.")
    cohort = read_cohort(path, mapping, model.bundle.protocol, extras=model.bundle.extras)
    scored = model.score(cohort, landmark)
    rejects = _all_rejects(cohort, scored)
    rejects_path = output.with_name(output.name + ".rejects.csv")
    manifest_path = output.with_name(output.name + ".manifest.json")
    result = ScoredFile(
        output,
        rejects_path,
        manifest_path,
        cohort.counts.courses,
        len(scored.table),
        cohort.counts.courses - len(scored.table),
        model.bundle.statement,
    )
    if not len(scored.table):
        write_whole({rejects_path: lambda target: rejects.to_csv(target, index=False)})
        raise CohortError(
            f"No course could be scored: all {result.courses} were rejected. The reasons are in {rejects_path}."
        )
    files: dict[Path, Callable[[Path], Any]] = {
        rejects_path: lambda target: rejects.to_csv(target, index=False),
        output: lambda target: write_table(scored.table, target),
    }
    write_whole(
        files, manifest_path, lambda written: _manifest(cohort, scored, model, result, landmark, written[output])
    )
    return result


def write_table(table: pd.DataFrame, target: Path) -> None:
    """Write a table as CSV or Parquet, by the ending of the name in front of `.partial`."""
    import pyarrow as pa

    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    if ".parquet" in target.suffixes:
        import pyarrow.parquet as pq

        numbers = [field.name for field in arrow.schema if pa.types.is_floating(field.type)]
        texts = [name for name in arrow.column_names if name not in numbers]
        pq.write_table(arrow, target, use_dictionary=texts)
    else:
        from pyarrow import csv

        csv.write_csv(arrow, target, csv.WriteOptions(quoting_style="needed"))


def write_whole(
    files: dict[Path, Callable[[Path], Any]],
    manifest: Path | None = None,
    describe: Callable[[dict[Path, str]], dict[str, Any]] | None = None,
) -> None:
    """Write files beside their final names and rename them when all of them are complete.

    Parameters
    ----------
    files : dict of Path to callable
        Each callable writes to the path that it is given.
    manifest : Path or None
        A JSON file that is renamed last: where it is, everything is.
    describe : callable or None
        Gets the SHA-256 of each file and returns the content of the manifest.

    Raises
    ------
    FileError
        If anything cannot be written; nothing is then left behind.
    """
    with ExitStack() as leftovers:
        partial: dict[Path, Path] = {}
        try:
            for final, write in files.items():
                final.parent.mkdir(parents=True, exist_ok=True)
                partial[final] = final.with_name(f".{final.name}.partial")
                leftovers.callback(partial[final].unlink, missing_ok=True)
                write(partial[final])
                _flush(partial[final])
            if manifest is not None and describe is not None:
                content = describe({final: _sha256(target) for final, target in partial.items()})
                partial[manifest] = manifest.with_name(f".{manifest.name}.partial")
                leftovers.callback(partial[manifest].unlink, missing_ok=True)
                partial[manifest].write_text(json.dumps(content, indent=1) + "\n", "utf-8")
                _flush(partial[manifest])
            for final, target in partial.items():
                target.replace(final)
        except OSError as error:
            name = next(iter(files)).parent
            raise FileError(f"Cannot write the results to {name}: {error.strerror or 'the disk failed'}.") from None


def _all_rejects(cohort: Cohort, scored: Scored) -> pd.DataFrame:
    parts = [part for part in (cohort.rejects, scored.refused) if len(part)]
    if not parts:
        return cohort.rejects
    return pd.concat(parts).sort_values("row", kind="stable", ignore_index=True)


def _manifest(
    cohort: Cohort, scored: Scored, model: ResponseModel, result: ScoredFile, landmark: str | None, output_sha256: str
) -> dict[str, Any]:
    counts = cohort.counts
    return {
        "statement": model.bundle.statement,
        "counts": {
            "source_rows": counts.source_rows,
            "used": counts.used,
            "filtered": counts.filtered,
            "unmatched": counts.unmatched,
            "courses": counts.courses,
            "scored": result.scored,
            "rejected": result.rejected,
        },
        "landmark": landmark or "latest of each course",
        "inputs": [{"name": s.name, "sha256": s.sha256, "rows": s.rows} for s in cohort.sources],
        "output": {"name": result.output.name, "sha256": output_sha256},
        "model": {
            "name": model.bundle.name,
            "version": model.version,
            "sha256": model.sha256,
            "trained_on": model.bundle.trained_on,
        },
        "largest_additivity_residual": scored.largest_residual,
        "notices": list(cohort.notices),
        "ketapredict": __version__,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
