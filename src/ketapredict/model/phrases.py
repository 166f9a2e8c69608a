"""Sentences made of fixed phrases for many courses: each combination is written once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

_BITS = 63


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
        return np.array(self.texts, dtype=object)[self.codes].tolist() if len(self.codes) else []


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
    used = [position for position, flag in enumerate(flags) if flag.any()]
    codes, firsts = np.zeros(rows, dtype=np.intp), np.zeros(min(rows, 1), dtype=np.intp)
    for start in range(0, len(used), _BITS):
        word = np.zeros(rows, dtype=np.uint64)
        for bit, position in enumerate(used[start : start + _BITS]):
            word += flags[position] * np.uint64(1 << bit)
        codes, firsts = _combined(codes, len(firsts), *_factorized(word))
    patterns = zip(*(flags[position][firsts] for position in used), strict=True) if used else [()] * len(firsts)
    words = [texts[position] for position in used]
    return Phrases(codes, tuple(separator.join(t for t, on in zip(words, row, strict=True) if on) for row in patterns))


def both_phrases(first: Phrases, second: Phrases, separator: str) -> Phrases:
    """Join two texts of each course; an empty one leaves the other alone."""
    codes, firsts = _combined(first.codes, len(first.texts), second.codes, np.arange(len(second.texts)))
    pairs = [(first.texts[first.codes[row]], second.texts[second.codes[row]]) for row in firsts]
    return Phrases(codes, tuple(separator.join(text for text in pair if text) for pair in pairs))


def _combined(first: np.ndarray, count: int, second: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a code for each pair of codes, and the first row of each."""
    if count <= 1:
        return _factorized(second)
    if len(others) <= 1:
        return _factorized(first)
    return _factorized(first * len(others) + second)


def _factorized(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    codes, found = pd.factorize(values)
    firsts = np.empty(len(found), dtype=np.intp)
    # From the end, so that the first row of each stays.
    firsts[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    return codes, firsts
