"""The table of the gate's decisions: one JSON line each, only ever appended.

Each line holds the SHA-256 of the line before it, so that a line that was changed, taken out or put in shows.
Whoever rewrites a line and all that follow is found out by the gate's runs in MLflow, which keep the SHA-256
of the line that they belong to.
"""

import getpass
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ketapredict.errors import TrackingError

TABLE = "promotions.jsonl"
FIRST = "0" * 64
DECISION, MOVED, NOT_MOVED = "decision", "moved", "not moved"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table.

    Attributes
    ----------
    number : int
        From 1.
    sha256 : str
        Of the line's bytes, without the end of the line.
    content : dict
        `line, previous, time, who` and what was given.
    """

    number: int
    sha256: str
    content: dict[str, Any]


def read_log(path: Path) -> list[Line]:
    """Read the table and verify its chain; empty where there is no table.

    Raises
    ------
    TrackingError
        If a line was changed, taken out or put in, or the last is incomplete.
    """
    try:
        content = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise TrackingError(f"Cannot read the table of decisions {path}: {error.strerror}.") from None
    return _verified(content, path)


def append(path: Path, entry: dict[str, Any]) -> Line:
    """Append a line, with its number, the hash of the line before, the time (UTC) and the system's user.

    The chain is verified before. The line is on the disk when this returns.

    Parameters
    ----------
    path : Path
    entry : dict
        Plain JSON values, without NaN.

    Raises
    ------
    TrackingError
        If the chain is broken, or the table cannot be written; nothing is then appended.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError as error:
        raise TrackingError(f"Cannot write the table of decisions {path}: {error.strerror}.") from None
    with os.fdopen(handle, "rb+", buffering=0) as file, _locked(file.fileno()):
        before = file.read()
        lines = _verified(before, path)
        content = {
            "line": len(lines) + 1,
            "previous": lines[-1].sha256 if lines else FIRST,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "who": system_user(),
        } | entry
        text = json.dumps(content, allow_nan=False).encode()
        try:
            written = os.write(file.fileno(), text + b"\n")
            if written < len(text) + 1:
                raise OSError(None, "the disk is full")
            os.fsync(file.fileno())
        except OSError as error:
            # Only what this call began is taken back: no line that was ever complete.
            os.ftruncate(file.fileno(), len(before))
            raise TrackingError(f"Cannot write the table of decisions {path}: {error.strerror}.") from None
    return Line(len(lines) + 1, _sha256(text), content)


def unconfirmed(lines: list[Line], name: str) -> Line | None:
    """Return the last yes for a name that no later line says to have been carried out or not.

    Parameters
    ----------
    lines : list of Line
    name : str
        Of the registered model.
    """
    settled = {line.content.get("decision_line") for line in lines if line.content.get("event") in (MOVED, NOT_MOVED)}
    open_ones = [
        line
        for line in lines
        if line.content.get("event") == DECISION
        and line.content.get("name") == name
        and line.content.get("decision") == "yes"
        and line.number not in settled
    ]
    return open_ones[-1] if open_ones else None


def as_text(lines: list[Line]) -> str:
    """Return the table for a reader, the oldest first."""
    if not lines:
        return "No decision yet."
    return "\n".join(
        f"{line.number:>3}  {line.content['time']}  {line.content['who']}  {_event(line.content)}" for line in lines
    )


def system_user() -> str:
    """Return the name that the operating system has for this process's user, whatever the environment says."""
    if sys.platform == "win32":
        return getpass.getuser()
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


def _event(content: dict[str, Any]) -> str:
    model = f"{content.get('name')} version {content.get('version')}"
    if content.get("event") == DECISION:
        failed = [check["name"] for check in content.get("checks", []) if check["verdict"] == "fail"]
        against = f" against version {content['champion']}" if content.get("champion") else ""
        why = content.get("word") if content.get("decision") == "yes" else f"failed: {', '.join(failed)}"
        return f"{content.get('decision')}: {model}{against} ({why})"
    return f"champion {content.get('event')} to {model} (line {content.get('decision_line')})"


def _verified(content: bytes, path: Path) -> list[Line]:
    lines: list[Line] = []
    previous = FIRST
    rows = content.split(b"\n")
    if rows.pop():
        raise TrackingError(
            f"{path}: expected a complete last line; line {len(rows) + 1} is cut short. Keep a copy, and remove the "
            "incomplete line if it is a write that was interrupted."
        )
    for number, row in enumerate(rows, 1):
        try:
            entry = json.loads(row)
        except ValueError:
            entry = None
        if not isinstance(entry, dict) or entry.get("previous") != previous or entry.get("line") != number:
            raise TrackingError(
                f"{path}: expected line {number} to follow line {number - 1} with its SHA-256; found another. The "
                "table of decisions was changed after it was written. Put back the copy that was not; nothing "
                "is decided until then."
            )
        previous = _sha256(row)
        lines.append(Line(number, previous, entry))
    return lines


def _sha256(row: bytes) -> str:
    return hashlib.sha256(row).hexdigest()


@contextmanager
def _locked(handle: int) -> Iterator[None]:
    """Let one process at a time read the end of the table and write behind it."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)
