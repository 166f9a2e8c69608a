"""A feature of many courses: what is computed of its value is computed once for all courses that have it."""

from dataclasses import dataclass

import numpy as np

EVERY = slice(None)


@dataclass(frozen=True, slots=True)
class FeatureColumn:
    """One feature of n courses.

    Attributes
    ----------
    different : numpy.ndarray
        (m,) float64, NaN for missing; some may belong to no course.
    places : numpy.ndarray or None
        (n,) which of them each course has; None where `different` holds the courses' own, m = n.
    """

    different: np.ndarray
    places: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.different if self.places is None else self.places)

    @property
    def values(self) -> np.ndarray:
        """(n,) float64 of the courses."""
        return self.of_courses(self.different)

    def of_courses(self, of_different: np.ndarray, rows: slice | np.ndarray = EVERY) -> np.ndarray:
        """Return what was computed of the different values (m,) for the courses that have them, or some of these."""
        if self.places is None:
            return of_different[rows]
        # All places are right; without a check they are copied at once.
        return of_different.take(self.places[rows], mode="clip")
