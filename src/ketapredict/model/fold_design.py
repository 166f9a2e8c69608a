"""The standardised columns of members inside the folds that choose their penalties.

The same numbers as the scikit-learn pipelines of `members`, which the final fit uses (a test holds them
together), without their cost for each fold: with small samples that cost is most of a fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ketapredict.features.plan import DesignPlan
from ketapredict.features.preparation import monotone_curves


@dataclass(frozen=True, slots=True)
class FoldDesign:
    """Which columns of a frame enter, and how.

    Attributes
    ----------
    values, missing, curves : tuple of int
        Positions in the frame.
    knots : tuple of tuple of float
        Of each curve.
    """

    values: tuple[int, ...]
    missing: tuple[int, ...]
    curves: tuple[int, ...]
    knots: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, plan: DesignPlan, names: Sequence[str], *, curves: bool) -> "FoldDesign":
        """Find the features of a plan in a frame with some column names."""
        at = {name: position for position, name in enumerate(names)}
        return cls(
            tuple(at[feature.name] for feature in plan.values),
            tuple(at[feature.name] for feature in plan.missing),
            tuple(at[feature.name] for feature in plan.curves) if curves else (),
            plan.knots if curves else (),
        )

    def prepared(self, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns of training and test rows; see `scaled`."""
        return self.scaled(train, test)[:2]

    def scaled(self, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the columns of training and test rows, by what the training rows alone show, and their scales.

        Values (missing ones at the training mean, 0 where none is known), indicators of missingness, monotone
        curves; each less its training mean over its training SD.

        Parameters
        ----------
        train, test : numpy.ndarray
            (n, features) and (m, features) float64, NaN for missing.

        Returns
        -------
        tuple of numpy.ndarray
            (n, p), (m, p) and the training SD that each column was divided by, (p,).
        """
        absent = np.isnan(train)
        known = len(train) - absent.sum(axis=0)
        fill = np.where(known > 0, np.where(absent, 0.0, train).sum(axis=0) / np.maximum(known, 1), 0.0)
        first, second = (self._columns(rows, fill) for rows in (train, test))
        centre, spread = first.mean(axis=0), first.std(axis=0)
        # What does not vary is only centred; rounding is no variation.
        scale = np.where(spread > 10 * np.finfo(float).eps * np.maximum(np.abs(centre), 1.0), spread, 1.0)
        return (first - centre) / scale, (second - centre) / scale, scale

    def _columns(self, rows: np.ndarray, fill: np.ndarray) -> np.ndarray:
        absent = np.isnan(rows)
        filled = np.where(absent, fill, rows)
        parts = [filled[:, self.values], absent[:, self.missing].astype(float)]
        parts += [
            monotone_curves(filled[:, position], np.array(knots))
            for position, knots in zip(self.curves, self.knots, strict=True)
        ]
        return np.hstack(parts)
