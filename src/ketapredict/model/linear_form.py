"""The linear part of a landmark's model over the inputs themselves, instead of over the columns of the design matrix.

All columns of one feature are combinations of few functions of it: 1, the value x (missing filled), whether it is
missing, and, where it has curves with knots t_1 < ... < t_k, for each interval between knots the function whose second
derivative is 1 there and 0 elsewhere,

    g_j(x) = r (x - t_j) - r^2 / 2    with r = x - t_j held between 0 and t_(j+1) - t_j.

With z the q such functions of a course, its centred design columns are T' z + c for one matrix T (q, p): what is linear
in the columns is linear in z, and there are fewer of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ketapredict.features.preparation import DesignColumn, monotone_curves


@dataclass(frozen=True)
class InputFunctions:
    """The q functions z of the inputs.

    Attributes
    ----------
    features : tuple of str
        The feature of each value in z; they come first.
    fills : numpy.ndarray
        What a missing one is filled with.
    missing : numpy.ndarray
        Positions in `features` of those whose missingness is in z; it comes next.
    curved, lows, widths : numpy.ndarray
        Of each interval between knots: position in `features`, lower knot, width; the intervals come last.
    """

    features: tuple[str, ...]
    fills: np.ndarray
    missing: np.ndarray
    curved: np.ndarray
    lows: np.ndarray
    widths: np.ndarray

    @property
    def owners(self) -> np.ndarray:
        """(q,) position in `features` of the feature that each is a function of."""
        return np.concatenate([np.arange(len(self.features)), self.missing, self.curved])

    def __call__(self, values: Sequence[np.ndarray], z: np.ndarray) -> np.ndarray:
        """Write the functions into z (q, n) and return it.

        Parameters
        ----------
        values : sequence of numpy.ndarray
            (n,) for each of `features`, NaN for missing.
        z : numpy.ndarray
        """
        first, second = len(self.features), len(self.features) + len(self.missing)
        x = z[:first]
        for row, given in zip(x, values, strict=True):
            row[:] = given
        absent = np.isnan(x)
        z[first:second] = absent[self.missing]
        np.copyto(x, self.fills, where=absent)
        above = z[second:]
        # All places are right; without a check they are copied at once.
        x.take(self.curved, axis=0, out=above, mode="clip")
        above -= self.lows
        held = np.maximum(above, 0.0)
        np.minimum(held, self.widths, out=held)
        above *= held
        np.multiply(held, held, out=held)
        held *= 0.5
        above -= held
        return z

    def of_feature(self, name: str) -> "InputFunctions":
        """Return the functions of one feature, in the same order."""
        own = np.array([feature == name for feature in self.features])
        place = np.cumsum(own) - 1
        missing, curved = self.missing[own[self.missing]], self.curved[own[self.curved]]
        intervals = own[self.curved]
        return InputFunctions(
            tuple(feature for feature in self.features if feature == name),
            self.fills[own],
            place[missing],
            place[curved],
            self.lows[intervals],
            self.widths[intervals],
        )


@dataclass(frozen=True, slots=True)
class LinearForm:
    """Functions z of the inputs, and how the centred design columns are made of them: T' z + c.

    Attributes
    ----------
    functions : InputFunctions
    transform : numpy.ndarray
        (q, p) the matrix T.
    constant : numpy.ndarray
        (p,) the vector c.
    """

    functions: InputFunctions
    transform: np.ndarray
    constant: np.ndarray


def linear_form(columns: Sequence[DesignColumn]) -> LinearForm:
    """Write design columns as combinations of functions of their features."""
    # Columns of one feature normally share what a missing value is filled with.
    keys = dict.fromkeys((c.feature, c.fill) for c in columns if c.kind != "missing")
    for column in columns:
        if column.kind == "missing" and column.feature not in {feature for feature, _ in keys}:
            keys[column.feature, 0.0] = None
    features = [feature for feature, _ in keys]
    place = {key: position for position, key in enumerate(keys)}
    missing = dict.fromkeys(c.feature for c in columns if c.kind == "missing")
    curves = dict.fromkeys((c.feature, c.fill, c.knots) for c in columns if c.kind == "curve")
    intervals: list[tuple[int, float, float]] = []
    first_interval: dict[tuple[str, float, tuple[float, ...]], int] = {}
    for feature, fill, knots in curves:
        first_interval[feature, fill, knots] = len(keys) + len(missing) + len(intervals)
        ends = pairwise(knots)
        intervals.extend((place[feature, fill], low, high - low) for low, high in ends)
    curves_over = {knots: _curves(np.array(knots)) for knots in dict.fromkeys(knots for _, _, knots in curves)}
    transform = np.zeros((len(keys) + len(missing) + len(intervals), len(columns)))
    constant = np.array([-column.mean for column in columns])
    for position, column in enumerate(columns):
        if column.kind == "missing":
            transform[len(keys) + list(missing).index(column.feature), position] = 1.0
        elif column.kind == "value":
            transform[place[column.feature, column.fill], position] = 1.0
        else:
            lines = curves_over[column.knots]
            constant[position] += lines.at_zero[column.index - 1]
            transform[place[column.feature, column.fill], position] = lines.slopes[column.index - 1]
            first = first_interval[column.feature, column.fill, column.knots]
            bends = lines.bends[:, column.index - 1]
            transform[first : first + len(bends), position] = bends
    functions = InputFunctions(
        tuple(features),
        np.array([fill for _, fill in keys])[:, None],
        np.array([features.index(feature) for feature in missing], dtype=np.intp),
        np.array([position for position, _, _ in intervals], dtype=np.intp),
        np.array([low for _, low, _ in intervals])[:, None],
        np.array([width for _, _, width in intervals])[:, None],
    )
    return LinearForm(functions, transform, constant)


@dataclass(frozen=True, slots=True)
class _Curves:
    """All k curves over some knots: values at 0 and slopes (k,) of the straight lines below the knots, second
    derivatives between knots (intervals, k).
    """

    at_zero: np.ndarray
    slopes: np.ndarray
    bends: np.ndarray


def _curves(knots: np.ndarray) -> _Curves:
    middles = (knots[1:] + knots[:-1]) / 2.0
    # One evaluation for all: a model has some dozens of them.
    found = monotone_curves(np.concatenate([[knots[0] - 1.0], knots, middles]), knots)
    before, at_knots, between = found[0], found[1 : len(knots) + 1], found[len(knots) + 1 :]
    slopes = at_knots[0] - before
    bends = 4.0 * (at_knots[:-1] - 2.0 * between + at_knots[1:]) / np.diff(knots)[:, None] ** 2
    return _Curves(at_knots[0] - slopes * knots[0], slopes, bends)
