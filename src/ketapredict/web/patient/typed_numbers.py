"""Numbers that somebody typed, in any form: with a decimal point; a comma might also part thousands: refused."""

import re

COMMA = "Expected a decimal point, not a comma: 12.5 for twelve and a half."
PERCENT = "Expected a number from 0 to 100."
_WITH_COMMA = re.compile(r"[+-]?\d+(?:[.,]\d+)*,\d+\s*%?", re.ASCII)
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%?", re.ASCII)


def has_comma(text: str) -> bool:
    """Whether a text would be a number but for its comma."""
    return _WITH_COMMA.fullmatch(text.strip()) is not None


def typed_percent(text: str) -> tuple[float | None, str]:
    """Read a percentage.

    Returns
    -------
    share : float or None
        0 to 1; None where it is none.
    error : str
        What was expected instead; empty where nothing is wrong.
    """
    if has_comma(text):
        return None, COMMA
    found = _PERCENT.fullmatch(text.strip())
    percent = float(found[1]) if found else -1.0
    return (percent / 100.0, "") if 0.0 <= percent <= 100.0 else (None, PERCENT)
