"""Results that are not complete yet: a folder beside the output, with a journal of what is finished in it."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ketapredict.cohort.observed import Observed
from ketapredict.errors import FileError
from ketapredict.score.parts import GrowingFile, output_format
from ketapredict.whole_files import flush_folder, make_folder, reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

_JOURNAL, _OUTPUT, _REJECTS, _MANIFEST = "journal.jsonl", "output", "rejects.csv", "manifest.json"
_REPLACED = "replaced"
_DIGEST = 16


@dataclass(frozen=True, slots=True)
class FinishedPiece:
    """A piece of the output that is on the disk.

    Attributes
    ----------
    courses, scored : int
        Of this piece.
    largest_residual : float
    observed : dict
        As JSON values.
    output_size, rejects_size : int
        Of the files, up to the end of this piece.
    output_sha256, rejects_sha256 : str
        Of the files up to there.
    kept : str
        What the format needs again at the end.
    """

    courses: int
    scored: int
    largest_residual: float
    observed: dict[str, Any]
    output_size: int
    rejects_size: int
    output_sha256: str
    rejects_sha256: str
    kept: str


class UnfinishedRun:
    """The results of a run until they appear under their names.

    Parameters
    ----------
    output, rejects, manifest : Path
        Where they will appear.
    folder : Path
    journal : open file
        Locked: no other run writes the same results. A line holds JSON behind its digest.
    """

    def __init__(self, output: Path, rejects: Path, manifest: Path, folder: Path, journal: IO[bytes]) -> None:
        self._targets = {_REJECTS: rejects, _OUTPUT: output, _MANIFEST: manifest}
        self._folder = folder
        self._journal = journal
        self._format = output_format(output.suffix)
        self.pieces: list[FinishedPiece] = []
        self.complete: dict[str, Any] | None = None
        self._output: GrowingFile | None = None
        self._rejects: GrowingFile | None = None

    @property
    def folder(self) -> Path:
        """For files that are needed on the way."""
        return self._folder

    @property
    def output(self) -> Path:
        """Where an engine that writes its own files puts the output, a file or a folder."""
        return self._folder / _OUTPUT

    @property
    def rejects(self) -> Path:
        """Where it puts the rejects."""
        return self._folder / _REJECTS

    def start(self, made_from: dict[str, Any], *, resume: bool) -> None:
        """Begin, or go on behind the last piece that is intact.

        Parameters
        ----------
        made_from : dict
            What the output follows from, as JSON values: inputs, model, options, versions.
        resume : bool

        Raises
        ------
        FileError
            If the unfinished results were made from something else.
        """
        self._journal.seek(0)
        lines = self._journal.read().split(b"\n")[:-1] if resume else []
        before = _parsed(lines[0]) if lines else None
        if before is not None and before != made_from:
            differing = ", ".join(name for name in made_from if before.get(name) != made_from[name])
            raise FileError(
                f"The unfinished results of {self._targets[_OUTPUT]} were made from something else ({differing} "
                "changed), so they cannot be continued. Run again with what they were made from, or without --resume."
            )
        content = self._complete_results()
        if before is not None and content is not None:
            self.complete = content
            return
        if content is not None:
            self._open_again()
        if before is not None:
            self.pieces = _intact_pieces(self._folder, lines[1:])
        last = self.pieces[-1] if self.pieces else None
        self._output = GrowingFile(self._folder / _OUTPUT, last.output_size if last else 0)
        self._rejects = GrowingFile(self._folder / _REJECTS, last.rejects_size if last else 0)
        self._journal.seek(0)
        self._journal.truncate()
        self._note(made_from)
        for piece in self.pieces:
            self._note(asdict(piece))
        flush_folder(self._folder)
        flush_folder(self._folder.parent)

    def start_over(self) -> None:
        """Begin without pieces: whatever another run left is removed, or completed if only that was missing."""
        self._complete_results()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._open_again()

    def _complete_results(self) -> dict[str, Any] | None:
        """Let results appear that a run completed and did not move; returns their manifest."""
        manifest = self._folder / _MANIFEST
        if not manifest.exists():
            return None
        content: dict[str, Any] = json.loads(manifest.read_text("utf-8"))
        publish(self._folder, self._targets)
        return content

    def _open_again(self) -> None:
        make_folder(self._folder)
        self._journal.close()
        self._journal = _locked(self._folder, self._targets[_OUTPUT])

    def add(
        self,
        table: "pa.Table",
        rejects: bytes,
        *,
        courses: int,
        scored: int,
        largest_residual: float,
        observed: dict[str, Any],
    ) -> None:
        """Write a piece; when this returns, it is on the disk."""
        assert self._output is not None
        kept = self._format.piece(table, self._output) if len(table) or not self._output.size else ""
        self._finish_piece(rejects, courses, scored, largest_residual, observed, kept)

    def add_rejects(self, rejects: bytes, *, courses: int) -> None:
        """Write a piece of rejects only."""
        self._finish_piece(rejects, courses, 0, 0.0, Observed().to_plain(), "")

    def _finish_piece(
        self,
        rejects: bytes,
        courses: int,
        scored: int,
        largest_residual: float,
        observed: dict[str, Any],
        kept: str,
    ) -> None:
        assert self._output is not None
        assert self._rejects is not None
        self._rejects.write(rejects)
        self._output.commit()
        self._rejects.commit()
        piece = FinishedPiece(
            courses,
            scored,
            largest_residual,
            observed,
            self._output.size,
            self._rejects.size,
            self._output.sha256,
            self._rejects.sha256,
            kept,
        )
        self._note(asdict(piece))
        self.pieces.append(piece)

    def finish(self, describe: Callable[[str], dict[str, Any]]) -> None:
        """Complete the files and let them appear under their names, the manifest last.

        Parameters
        ----------
        describe : callable
            Gets the SHA-256 of the output and returns the manifest.
        """
        assert self._output is not None
        assert self._rejects is not None
        self._format.finish([piece.kept for piece in self.pieces if piece.kept], self._output)
        self._output.commit()
        self.appear(describe(self._output.sha256))

    def appear(self, described: dict[str, Any]) -> None:
        """Let complete files, which are on the disk, appear under their names, with a manifest."""
        manifest = self._folder / _MANIFEST
        written = manifest.with_suffix(".partial")
        with written.open("w", encoding="utf-8") as file:
            file.write(json.dumps(described, indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # Their names too, before there is a manifest.
        flush_folder(self._folder)
        # From here on the results are complete: whoever comes next moves what was not moved.
        written.replace(manifest)
        flush_folder(self._folder)
        publish(self._folder, self._targets)

    def leave(self) -> bool:
        """Remove the folder, or what is no finished piece of the results in it; returns whether it stays."""
        if self.kept:
            _tidy(self._folder)
            return True
        shutil.rmtree(self._folder, ignore_errors=True)
        return False

    @property
    def kept(self) -> bool:
        """Whether a piece is finished, by this run or one before, or everything is and was not moved."""
        if not (self._folder / _JOURNAL).exists():
            return False
        if (self._folder / _MANIFEST).exists():
            return True
        self._journal.seek(0)
        return all(_parsed(self._journal.readline().removesuffix(b"\n")) is not None for _ in ("made from", "piece"))

    def close(self) -> None:
        """Close the files; what is finished stays."""
        for file in (self._output, self._rejects, self._journal):
            # On a full disk what is left to be written cannot be; it belongs to no finished piece.
            with suppress(OSError):
                if file is not None:
                    file.close()

    def only_rejects(self, described: dict[str, Any]) -> None:
        """Let the rejects appear with a manifest: nothing could be scored, and no earlier output stays beside them."""
        self._targets[_MANIFEST].unlink(missing_ok=True)
        flush_folder(self._folder.parent)
        for output in (self._targets[_OUTPUT], self._folder / _OUTPUT):
            if output.is_dir():
                shutil.rmtree(output)
            output.unlink(missing_ok=True)
        self.appear(described)

    def _note(self, content: dict[str, Any]) -> None:
        text = json.dumps(content).encode()
        self._journal.write(_digest(text) + b" " + text + b"\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())


def publish(folder: Path, targets: dict[str, Path]) -> None:
    """Move complete results to their names, the manifest last, and remove the folder.

    Each step is on the disk before the next is taken: whatever a power cut leaves, a manifest stands beside the files
    that it describes, or there is none.
    """
    # An old manifest must not stand beside new files.
    if (folder / _MANIFEST).exists() and targets[_MANIFEST].exists():
        targets[_MANIFEST].unlink()
        flush_folder(folder.parent)
    for names in ((_REJECTS, _OUTPUT), (_MANIFEST,)):
        for name in names:
            with suppress(FileNotFoundError):
                if targets[name].is_dir() and (folder / name).exists():
                    # A folder takes the place of nothing but an empty one.
                    targets[name].replace(folder / _REPLACED)
                (folder / name).replace(targets[name])
        flush_folder(folder.parent)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def unfinished_run(output: Path, rejects: Path, manifest: Path) -> "Iterator[UnfinishedRun]":
    """Open the folder of unfinished results beside an output, for one run at a time.

    Raises
    ------
    FileError
        If another run writes the same output, or the folder cannot be made.
    """
    folder = output.with_name(f".{output.name}.unfinished")
    make_folder(folder)
    try:
        journal = _locked(folder, output)
    except OSError as error:
        raise FileError(f"Cannot write the results to {output.parent}: {reason(error)}.") from None
    _tidy(folder)
    run = UnfinishedRun(output, rejects, manifest, folder, journal)
    try:
        yield run
    finally:
        run.close()


def _locked(folder: Path, output: Path) -> IO[bytes]:
    journal = (folder / _JOURNAL).open("a+b")
    try:
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        journal.close()
        raise FileError(f"Another run is writing {output}. Wait for it, or choose another output.") from None
    return journal


def _tidy(folder: Path) -> None:
    """Remove what a run needed on its way and could not remove itself, as one that was killed."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name in (_JOURNAL, _OUTPUT, _REJECTS, _MANIFEST):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _intact_pieces(folder: Path, lines: list[bytes]) -> list[FinishedPiece]:
    """Return the finished pieces up to the first of which the files do not hold what they held."""
    pieces: list[FinishedPiece] = []
    with ExitStack() as stack:
        hashes = {name: hashlib.sha256() for name in (_OUTPUT, _REJECTS)}
        try:
            files = {name: stack.enter_context((folder / name).open("rb")) for name in hashes}
        except FileNotFoundError:
            return pieces
        for line in lines:
            content = _parsed(line)
            if content is None:
                return pieces
            piece = FinishedPiece(**content)
            for name, size in ((_OUTPUT, piece.output_size), (_REJECTS, piece.rejects_size)):
                while chunk := files[name].read(min(size - files[name].tell(), 1 << 20)):
                    hashes[name].update(chunk)
            found = hashes[_OUTPUT].hexdigest(), hashes[_REJECTS].hexdigest()
            if found != (piece.output_sha256, piece.rejects_sha256):
                return pieces
            pieces.append(piece)
    return pieces


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Return the content of a line of the journal; None for one that is not as it was written."""
    digest, _, text = line.partition(b" ")
    return json.loads(text) if digest == _digest(text) else None


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:_DIGEST].encode()
