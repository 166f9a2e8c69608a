"""Score a cohort from file to file: output, rejects and manifest, complete or not at all."""

from collections.abc import Callable
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
from ketapredict.whole_files import FORMATS, refuse_to_overwrite, write_table, write_whole


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
    progress: Callable[[int], None] | None = None,
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
    progress : callable or None
        Called after each of the three steps: read, score, write.

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
    rejects_path = output.with_name(output.name + ".rejects.csv")
    manifest_path = output.with_name(output.name + ".manifest.json")
    refuse_to_overwrite([output, rejects_path, manifest_path], [Path(path), *([Path(mapping)] if mapping else [])])
    step = progress or (lambda _: None)
    cohort = read_cohort(path, mapping, model.bundle.protocol, extras=model.bundle.extras)
    step(1)
    scored = model.score(cohort, landmark)
    step(1)
    rejects = _all_rejects(cohort, scored)
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
    step(1)
    return result


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
