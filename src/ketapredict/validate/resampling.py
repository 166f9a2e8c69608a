"""Out-of-fold predictions over repeats of cross-validation."""

from collections.abc import Sequence

import numpy as np

from ketapredict.model.folds import Fold


def average_over_repeats(folds: Sequence[Fold], predictions: Sequence[np.ndarray], n_rows: int) -> np.ndarray:
    """Return the mean out-of-fold prediction of each row over the repeats, (n_rows,).

    Parameters
    ----------
    folds : sequence of (repeat, train, test)
        From `model.folds.repeated_folds`.
    predictions : sequence of numpy.ndarray
        For each fold the predictions of its test rows; probabilities are averaged as such.
    n_rows : int

    Returns
    -------
    numpy.ndarray
        NaN for rows that no fold tests.
    """
    total, times = np.zeros(n_rows), np.zeros(n_rows)
    for (_, _, test), predicted in zip(folds, predictions, strict=True):
        total[test] += predicted
        times[test] += 1
    mean = np.full(n_rows, np.nan)
    np.divide(total, times, out=mean, where=times > 0)
    return mean
