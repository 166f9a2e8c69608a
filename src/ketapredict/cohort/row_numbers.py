"""Numbers of the rows of a text that is read block by block, where those of a wrong number of fields are left out."""

import numpy as np


class RowNumbers:
    """Numbers rows from 1, those that are left out too, and holds no more than the rows between two blocks."""

    def __init__(self) -> None:
        self._next = 1
        self._left_out = np.empty(0, dtype=np.int64)

    def leave_out(self, numbers: np.ndarray) -> None:
        """Tell further rows that are left out, in order: of any block, but all in front of the rows asked for next."""
        self._left_out = np.concatenate([self._left_out, numbers])
        self._drop(int(np.searchsorted(self._before(), 0, "right")))

    def of_next(self, count: int) -> np.ndarray:
        """Return the numbers of the next rows that are not left out, (count,) int64."""
        places = np.arange(count)
        in_front = np.searchsorted(self._before(), places, "right")
        numbers = self._next + places + in_front
        if count:
            self._next = int(numbers[-1]) + 1
            self._drop(int(in_front[-1]))
            self.leave_out(self._left_out[:0])
        return numbers

    def _before(self) -> np.ndarray:
        """Return how many rows that are not left out stand in front of each that is, from the next row on."""
        return self._left_out - self._next - np.arange(len(self._left_out))

    def _drop(self, count: int) -> None:
        if count:
            self._next = max(self._next, int(self._left_out[count - 1]) + 1)
            self._left_out = self._left_out[count:]
