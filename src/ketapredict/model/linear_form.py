"""The linear part of a landmark's model over the inputs themselves, instead of over the columns of the design matrix.

All columns of one feature are combinations of few functions of it: 1, the value x (missing filled), whether it is
missing, and, where it has curves with knots t_1 < ... < t_k, for each interval between knots the function whose second
derivative is 1 there and 0 elsewhere,

    g_j(x) = r (x - t_j - r / 2)    with r = x - t_j held between 0 and t_(j+1) - t_j.

With z the q such functions of a course, its centred design columns are T' z + c for one matrix T (q, p): what is linear
in the columns is linear in z, and there are fewer of them. Contributions are summed function by function, so that
they do not depend on how many courses are computed together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ketapredict.features.preparation import DesignColumn, monotone_curves


@dataclass(frozen=True, slots=True)
class InputFunctions:
    """The functions of one feature: places in z of its value, its missingness and its intervals; -1 where unused."""

    feature: str
    fill: float
    value: int
    missing: int
    knots: tuple[float, ...]
    first_interval: int


@dataclass(frozen=True)
class LinearForm:
    """Functions z of the inputs, and how the centred design columns are made of them.

    Attributes
    ----------
    inputs : tuple of InputFunctions
    concepts : tuple of str
        The concept of each of the q functions.
    transform : numpy.ndarray
        (q, p) the matrix T.
    constant : numpy.ndarray
        (p,) the vector c.
    """

    inputs: tuple[InputFunctions, ...]
    concepts: tuple[str, ...]
    transform: np.ndarray
    constant: np.ndarray

    def functions(self, values: Mapping[str, np.ndarray], z: np.ndarray) -> np.ndarray:
        """Write the functions into z (q, n), for features (n,) each, NaN for missing, and return it."""
        for one in self.inputs:
            given = values[one.feature]
            missing = np.isnan(given)
            if one.missing >= 0:
                z[one.missing] = missing
            if one.value < 0:
                continue
            x = z[one.value]
            np.copyto(x, given)
            np.copyto(x, one.fill, where=missing)
            for number, (low, high) in enumerate(zip(one.knots, one.knots[1:], strict=False)):
                out = z[one.first_interval + number]
                np.subtract(x, low, out=out)
                held = np.minimum(np.maximum(out, 0.0), high - low)
                out -= 0.5 * held
                out *= held
        return z


def linear_form(columns: Sequence[DesignColumn]) -> LinearForm:
    """Write design columns as combinations of functions of their features."""
    inputs: list[InputFunctions] = []
    concepts: list[str] = []
    # Columns of one feature normally share what a missing value is filled with.
    keys = dict.fromkeys((c.feature, c.fill) if c.kind != "missing" else (c.feature, None) for c in columns)
    places: dict[tuple[str, float | None, tuple[float, ...]], InputFunctions] = {}
    for feature, fill in keys:
        own = [c for c in columns if c.feature == feature and (c.kind == "missing" if fill is None else c.fill == fill)]
        own = [c for c in own if (c.kind == "missing") == (fill is None)]
        for knots in dict.fromkeys(c.knots for c in own if c.kind == "curve") or [()]:
            start = len(concepts)
            if fill is None:
                one = InputFunctions(feature, 0.0, -1, start, (), -1)
                concepts.append(own[0].concept)
            else:
                one = InputFunctions(feature, fill, start, -1, knots, start + 1)
                concepts.extend([own[0].concept] * (1 + max(len(knots) - 1, 0)))
            inputs.append(one)
            places[feature, fill, knots] = one
            places.setdefault((feature, fill, ()), one)
    transform = np.zeros((len(concepts), len(columns)))
    constant = np.zeros(len(columns))
    for position, column in enumerate(columns):
        if column.kind == "missing":
            transform[places[column.feature, None, ()].missing, position] = 1.0
        elif column.kind == "value":
            transform[places[column.feature, column.fill, ()].value, position] = 1.0
        else:
            one = places[column.feature, column.fill, column.knots]
            at_zero, slope, bends = _curve(np.array(column.knots), column.index)
            constant[position] = at_zero
            transform[one.value, position] = slope
            transform[one.first_interval : one.first_interval + len(bends), position] = bends
        constant[position] -= column.mean
    return LinearForm(tuple(inputs), tuple(concepts), transform, constant)


def _curve(knots: np.ndarray, index: int) -> tuple[float, float, np.ndarray]:
    """Return value at 0 and slope of the straight line below the knots, and the second derivative between knots."""
    middles = (knots[1:] + knots[:-1]) / 2.0
    width = np.diff(knots)

    def curve(values: np.ndarray) -> np.ndarray:
        return monotone_curves(values, knots)[:, index - 1]

    first, before = curve(np.array([knots[0], knots[0] - 1.0]))
    slope = first - before
    ends = curve(knots)
    bends = 4.0 * (ends[:-1] - 2.0 * curve(middles) + ends[1:]) / width**2
    return float(first - slope * knots[0]), float(slope), bends
