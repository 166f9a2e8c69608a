"""Column names in messages: a file without a header has a patient's values where names should stand."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from ketapredict.errors import FileError

_NUMBER = r"[+-]?(\d[\d.,' ]*|[.,]\d+)([eE][+-]?\d+)?\s*%?"
_DATE = r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}([T ].*)?|\d{1,2}[. -]*[^\W\d]{3,9}[. -]*\d{2,4}|\d{1,2}:\d{2}(:\d{2})?"
_VALUE = re.compile(f"({_NUMBER}|{_DATE})")


def looks_like_value(name: object) -> bool:
    """Whether a column name is empty, or looks like a number or a date."""
    text = str(name).strip()
    return name is None or not text or _VALUE.fullmatch(text) is not None


def holds_any(header: Iterable[object], known: Collection[str]) -> bool:
    """Whether a header holds one of the names that are known, in any case."""
    names = {name.casefold() for name in known}
    return any(str(name).strip().casefold() in names for name in header)


def listed(names: Iterable[object], header: Sequence[object] | None = None) -> str:
    """List column names for a message; those that look like a number or a date only by their position.

    Parameters
    ----------
    names : iterable
        The names to list; only of a header that is known to be one.
    header : sequence or None
        All names of the table, where `names` are only some of them.
    """
    names = list(names)
    places = {str(name): place for place, name in reversed(list(enumerate(header or names, 1)))}
    hidden = [places[str(name)] for name in names if looks_like_value(name)]
    plain = [str(name) for name in names if not looks_like_value(name)]
    if hidden:
        plain.append(f"{len(hidden)} whose name looks like a value ({positions(hidden)})")
    return ", ".join(plain)


def positions(places: Sequence[int]) -> str:
    """Return positions from 1 in words: `columns 1, 2`."""
    return f"column{'s' if len(places) > 1 else ''} {', '.join(map(str, places))}"


def refuse_repeated(names: Sequence[str], file: str) -> None:
    """Refuse two columns of one name; the name is not told, it may be a value of a file without header.

    Raises
    ------
    FileError
    """
    counts = Counter(names)
    repeated = [place for place, column in enumerate(names, 1) if column and counts[column] > 1]
    if repeated:
        raise FileError(
            f"{file}: expected different column names, found a name more than once ({positions(repeated)}). "
            "Give each column its own name; if the first row is data, add a header."
        )
