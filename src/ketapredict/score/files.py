"""Score a cohort of any size from file to file: output, rejects and manifest, complete or not at all."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from ketapredict.cohort.observed import Observed
from ketapredict.cohort.raw_courses import RawCourses
from ketapredict.errors import CohortError, FileError
from ketapredict.explain.scored import Explain
from ketapredict.response_model import ResponseModel
from ketapredict.score.batch import ROWS_AT_ONCE, ScoredBatch, ValidBatch, score_batch, validated_batch
from ketapredict.score.inputs import EarlierRejects, ScoredInput, open_input, refuse_among_inputs
from ketapredict.score.manifest import NO_OUTPUT, Totals, manifest, options_told, versions
from ketapredict.score.unfinished import FinishedPiece, UnfinishedRun, unfinished_run
from ketapredict.whole_files import FORMATS, reason, refuse_to_overwrite

KEPT = "What is finished is kept; --resume goes on from there."


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
    explain: Explain = "all",
    resume: bool = False,
    rows_at_once: int = ROWS_AT_ONCE,
    progress: Callable[[int, int], None] | None = None,
) -> ScoredFile:
    """Score the courses of a file and write probabilities with contributions.

    Writes `OUTPUT` (one row per scored course), `OUTPUT.rejects.csv` and `OUTPUT.manifest.json`. Each appears under
    its name only when all are complete; until then they are in a folder beside, where a run that was cut short leaves
    its finished pieces. Wide CSV, TSV and Parquet are read, scored and written in batches.

    Parameters
    ----------
    path : path
        A file, a folder of Parquet parts, or a folder where the mapping names the files.
    output : path
        Ends in `.csv` or `.parquet`.
    model : ResponseModel
        The file is read under its protocol, with its extra covariates.
    mapping : path, name or None
        A TOML file, or one of the project's own mappings (`adam`, `sdtm`, ...).
    landmark : str or None
        One landmark for all; by default each course's latest.
    explain : {"all", "top3", "none"}
        Contributions of all concepts; of the three that move the estimate most, with their names; or none.
    resume : bool
        Whether to go on where a run that was cut short stopped. The results are those of a run that was not.
    rows_at_once : int
        Size of a batch; it has no influence on the results.
    progress : callable or None
        Called with the courses that are done and the courses in all.

    Returns
    -------
    ScoredFile

    Raises
    ------
    FileError
        If the output has another ending or cannot be written, an input is changed meanwhile, or what is to be
        continued was made from other inputs, another model, or with other options or versions.
    CohortError
        If no course could be scored; the rejects and the manifest are written, and an earlier output is removed.
    """
    path, output = Path(path), Path(output)
    mapping = Path(mapping) if mapping is not None else None
    if output.suffix not in FORMATS:
        raise FileError(f"Expected an output that ends in {' or '.join(FORMATS)}; found {output.name}.")
    if output.is_dir():
        raise FileError(f"Expected a file name for the results; {output} is a folder.")
    result = places_of_results(path, output, mapping, model)
    with unfinished_run(output, result.rejects, result.manifest) as run, threadpool_limits(1):
        try:
            given = open_input(path, mapping, model.bundle.protocol, model.bundle.extras, run.folder)
            options = {"landmark": landmark, "explain": explain, "format": output.suffix, "rows": rows_at_once}
            run.start(_made_from(given, model, mapping, options), resume=resume)
            if run.complete is not None:
                counts = run.complete["counts"]
                result = counted(result, counts["courses"], counts["scored"])
                if not result.scored:
                    raise nothing_scored(result)
                return result
            job = _Job(model, given, landmark, explain, rows_at_once)
            with given.files.read():
                _score_batches(job, run, progress or (lambda _, __: None))
                totals = _totals(run.pieces, given)
            given.files.refuse_changes()
            result = counted(result, given.courses, totals.scored)
            told = options_told(landmark, explain)
            if not totals.scored:
                run.only_rejects(manifest(model, given, totals, told, NO_OUTPUT))
                raise nothing_scored(result)
            run.finish(lambda sha256: manifest(model, given, totals, told, {"name": output.name, "sha256": sha256}))
        except OSError as error:
            advice = f" {KEPT}" if run.leave() else ""
            raise FileError(f"Cannot write the results to {output.parent}: {reason(error)}.{advice}") from None
        except KeyboardInterrupt as stopped:
            if run.leave():
                stopped.add_note(KEPT)
            raise
        except BaseException:
            run.leave()
            raise
    return result


def places_of_results(path: Path, output: Path, mapping: Path | None, model: ResponseModel) -> ScoredFile:
    """Return where results will be, before anything is counted.

    Raises
    ------
    FileError
        If one of them is an input or stands among inputs, or a folder or a link stands where a file will be.
    """
    rejects = output.with_name(output.name + ".rejects.csv")
    described = output.with_name(output.name + ".manifest.json")
    refuse_to_overwrite([output, rejects, described], [path, *([mapping] if mapping else [])])
    refuse_among_inputs(output, path, mapping)
    for target in (output, rejects, described):
        if target.is_symlink():
            # Moving the results there would replace the link, and leave what it leads to as it was.
            raise FileError(
                f"Expected a file name for the results; {target} is a symbolic link. Name the file that it leads to."
            )
        if target != output and target.is_dir():
            raise FileError(f"Expected a file name for the results; {target} is a folder.")
    return ScoredFile(output, rejects, described, 0, 0, 0, model.bundle.statement)


def counted(result: ScoredFile, courses: int, scored: int) -> ScoredFile:
    """Return where results are, with their counts."""
    return replace(result, courses=courses, scored=scored, rejected=courses - scored)


def nothing_scored(result: ScoredFile) -> CohortError:
    """Return the error of a run that scored no course."""
    return CohortError(
        f"No course could be scored: all {result.courses} were rejected. The reasons are in {result.rejects}."
    )


@dataclass(frozen=True)
class _Job:
    model: ResponseModel
    given: ScoredInput
    landmark: str | None
    explain: Explain
    rows_at_once: int


def _score_batches(job: _Job, run: UnfinishedRun, progress: Callable[[int, int], None]) -> None:
    """Read and validate the next batch, score one and write the one before at the same time, in the input's order."""
    done = sum(piece.courses for piece in run.pieces)
    progress(done, job.given.courses)
    batches = job.given.batches(job.rows_at_once, len(run.pieces))
    # One thread scores: two would wait for each other, since what they do is many short calls.
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        writing: Future[None] | None = None
        reading = reader.submit(_next, job, batches)
        while (batch := reading.result()) is not None:
            reading = reader.submit(_next, job, batches)
            scored = (
                batch if isinstance(batch, EarlierRejects) else score_batch(job.model, batch, job.landmark, job.explain)
            )
            if writing is not None:
                writing.result()
            writing = writer.submit(_write, job, run, scored)
            done += scored.courses
            progress(done, job.given.courses)
        if writing is not None:
            writing.result()


def _next(job: _Job, batches: Iterator[RawCourses | EarlierRejects]) -> ValidBatch | EarlierRejects | None:
    batch = next(batches, None)
    return validated_batch(job.model, batch, job.given.extras) if isinstance(batch, RawCourses) else batch


def _write(job: _Job, run: UnfinishedRun, batch: ScoredBatch | EarlierRejects) -> None:
    # What is finished, and perhaps continued another day, is of the input whose hash the journal tells.
    job.given.files.refuse_changes()
    first = not run.pieces
    rejects = batch.rejects.to_csv(index=False, header=first) if first or len(batch.rejects) else ""
    if isinstance(batch, EarlierRejects):
        run.add_rejects(rejects.encode(), courses=batch.courses)
        return
    run.add(
        batch.columns.to_arrow(),
        rejects.encode(),
        courses=batch.courses,
        scored=len(batch.columns.rows),
        largest_residual=batch.largest_residual,
        observed=batch.observed.to_plain(),
    )


def _totals(pieces: list[FinishedPiece], given: ScoredInput) -> Totals:
    """Add up the pieces, and stop if a course was lost or came twice."""
    if sum(piece.courses for piece in pieces) != given.courses:
        raise AssertionError("courses do not add up")
    observed = Observed()
    for piece in pieces:
        observed = observed.plus(Observed.from_plain(piece.observed))
    residual = max((piece.largest_residual for piece in pieces), default=0.0)
    return Totals(sum(piece.scored for piece in pieces), residual, observed)


def _made_from(
    given: ScoredInput, model: ResponseModel, mapping: Path | None, options: dict[str, Any]
) -> dict[str, Any]:
    """Return what the output follows from, as JSON values."""
    return {
        "inputs": [[source.name, source.sha256] for source in given.sources],
        "mapping": _mapping_sha256(mapping) if mapping is not None else None,
        "model": [model.sha256, model.version],
        "options": options,
        "versions": versions(),
    }


def _mapping_sha256(mapping: Path) -> str:
    # What reads mappings is much, and most tables need none.
    from ketapredict.cohort.mapping_file import mapping_file

    return hashlib.sha256(mapping_file(mapping).read_bytes()).hexdigest()
