"""Which courses a model has met, recognised one by one without keeping anything of them that could be read.

A cohort is told apart as a whole by its hash, which runs and models carry. That says nothing of a later extract that
holds old courses beside new ones. Single courses are recognised by digests, and these are a danger of their own: a
course's number and baseline score are so few possibilities that whoever holds a digest of them can try all, and so
learn whether a certain patient was trained on, and with which score. Hence:

* the digests are keyed (HMAC-SHA256) with 32 random bytes that stand in one file beside the store, readable by its
  owner only; without the key a digest is noise, with it one needs the courses to ask about;
* neither digests nor key are ever part of a model, a run, a report or a message: they stay in `courses-met/`, which is
  as private as the tables of courses, and is not to be passed on with a model;
* digests are sorted: their order says nothing of the order of the courses.

Who works with another store, or has deleted the folder, cannot tell single courses: that is said, never guessed.

A course is known by its name (id, with what is fixed at baseline: two clinics both have a course 1), whatever was
recorded since; and by its content (the same and all scores), whatever it is called. Another course of the same patient
is another course.
"""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ketapredict.cohort.cohort import Cohort
from ketapredict.whole_files import write_whole

FOLDER, KEY_FILE = "courses-met", "key"
# Fewer recorded values are shared by different patients by chance.
_FEWEST_VALUES = 5
_AT_BASELINE = ("age_years", "sex", "diagnosis", "score_baseline")


def remember_courses(store_folder: Path, data_sha256: str, courses: Cohort) -> None:
    """Keep the keyed digests of the courses that a model was made with.

    Parameters
    ----------
    store_folder : Path
        Of the store (`Store.folder`).
    data_sha256 : str
        By which the model's provenance names the cohort.
    courses : Cohort
        Those of it that were trained on; added to what is known of that cohort already.
    """
    folder = store_folder / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    key = _key(folder, create=True)
    assert key is not None
    path = folder / f"{data_sha256}.json"
    # Of another arm of the same cohort, perhaps.
    found = {digest for both in _digests(key, courses) for digest in both if digest}
    found |= _read(folder, data_sha256, key) or set()
    content = json.dumps({"key": _key_name(key), "courses": sorted(found)})
    write_whole({path: lambda target: _write_private(Path(target), content)})


def courses_met(store_folder: Path, cohort: Cohort, data_hashes: Iterable[str]) -> np.ndarray | None:
    """Return which courses are among those that a model was made with.

    Parameters
    ----------
    store_folder : Path
    cohort : Cohort
        n courses.
    data_hashes : iterable of str
        Of all cohorts that the model, and those that it was updated from, were made with.

    Returns
    -------
    numpy.ndarray of bool (n,) or None
        None where it cannot be told: no digests of one of the cohorts are here, or they were made with another key.
    """
    folder = store_folder / FOLDER
    key = _key(folder, create=False)
    if key is None:
        return None
    known: set[str] = set()
    for data_sha256 in data_hashes:
        found = _read(folder, data_sha256, key)
        if found is None:
            return None
        known |= found
    return np.array([bool(known.intersection(both)) for both in _digests(key, cohort)], dtype=bool)


def _digests(key: bytes, cohort: Cohort) -> Iterator[tuple[str, str]]:
    """Yield the digests of each course by its name and by its content; the latter empty where too little is known."""
    table = cohort.table
    scores = [name for name in table if name.startswith("score_") and name not in _AT_BASELINE]
    for course in table[["course_id", *_AT_BASELINE, *scores]].to_dict("records"):
        fixed, later = _known(course, _AT_BASELINE), _known(course, scores)
        name = _digest(key, "\x1f".join(["name", str(course["course_id"]), *fixed]))
        enough = len(fixed) + len(later) >= _FEWEST_VALUES
        yield name, _digest(key, "\x1f".join(["content", *fixed, *later])) if enough else ""


def _known(course: dict[Hashable, Any], columns: Iterable[str]) -> list[str]:
    values = ((column, course[column]) for column in columns)
    return [
        f"{column}={value:g}" if isinstance(value, float) else f"{column}={value}"
        for column, value in values
        if value is not None and value == value
    ]


def _digest(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _key_name(key: bytes) -> str:
    return _digest(key, "name of the key")


def _key(folder: Path, *, create: bool) -> bytes | None:
    path = folder / KEY_FILE
    if create and not path.exists():
        _write_private(path, secrets.token_hex(32))
    return bytes.fromhex(path.read_text("ascii")) if path.exists() else None


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)


def _read(folder: Path, data_sha256: str, key: bytes) -> set[str] | None:
    path = folder / f"{data_sha256}.json"
    if not path.exists():
        return None
    found = json.loads(path.read_text("ascii"))
    return set(found["courses"]) if found["key"] == _key_name(key) else None
