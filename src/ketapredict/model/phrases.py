"""Sentences made of fixed phrases for many courses: each combination is written once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

# Flags that are looked up together: all their combinations fit a table.
_BITS = 12


@dataclass(frozen=True, slots=True)
class Phrases:
    """A text for each of n courses.

    Attributes
    ----------
    codes : numpy.ndarray
        (n,) positions in `texts`.
    texts : tuple of str
    """

    codes: np.ndarray
    texts: tuple[str, ...]

    def to_list(self) -> list[str]:
        """Return the n texts."""
        return [self.texts[code] for code in self.codes.tolist()]


def joined_phrases(flags: Sequence[np.ndarray], texts: Sequence[str], separator: str, rows: int) -> Phrases:
    """Join for each course the texts whose flag is set.

    Parameters
    ----------
    flags : sequence of numpy.ndarray
        (n,) bool, one for each text.
    texts : sequence of str
    separator : str
    rows : int
        n.
    """
    # For one course a single call instead of dozens.
    held = np.concatenate(flags) if rows == 1 and flags else [flag.any() for flag in flags]
    used = np.flatnonzero(held).tolist()
    joined = Phrases(np.zeros(rows, dtype=np.intp), ("",))
    for start in range(0, len(used), _BITS):
        group = used[start : start + _BITS]
        word = np.zeros(rows, dtype=np.uint16)
        for bit, position in enumerate(group):
            word += flags[position] * np.uint16(1 << bit)
        found = np.flatnonzero(np.bincount(word, minlength=1))
        place = np.zeros(int(found[-1]) + 1, dtype=np.intp)
        place[found] = np.arange(len(found))
        names = [texts[position] for position in group]
        words = [separator.join(t for bit, t in enumerate(names) if pattern >> bit & 1) for pattern in found.tolist()]
        joined = both_phrases(joined, Phrases(place[word], tuple(words)), separator)
    return joined


def both_phrases(first: Phrases, second: Phrases, separator: str) -> Phrases:
    """Join two texts of each course; an empty one leaves the other alone."""
    if first.texts == ("",):
        return second
    if second.texts == ("",):
        return first
    codes, found = pd.factorize(first.codes * len(second.texts) + second.codes)
    one, other = (places.tolist() for places in np.divmod(found, len(second.texts)))
    pairs = [(first.texts[a], second.texts[b]) for a, b in zip(one, other, strict=True)]
    return Phrases(codes, tuple([a + separator + b if a and b else a or b for a, b in pairs]))
