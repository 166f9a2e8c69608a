"""Out-of-fold predictions of every repeat of a cross-validation.

Each repeat predicts every course once, by one fit. The mean of a course's predictions over the repeats would be the
prediction of an ensemble of fits that nobody uses, and better than any of them where fits differ. So measures are taken
in each repeat, and then averaged.
"""

from collections.abc import Sequence

import numpy as np

from ketapredict.model.folds import Fold


def out_of_fold(folds: Sequence[Fold], predictions: Sequence[np.ndarray], n_rows: int) -> np.ndarray:
    """Return the out-of-fold prediction of each row in each repeat, (repeats, n_rows).

    Parameters
    ----------
    folds : sequence of (repeat, train, test)
        From `model.folds.repeated_folds`.
    predictions : sequence of numpy.ndarray
        For each fold the predictions of its test rows.
    n_rows : int

    Returns
    -------
    numpy.ndarray
        NaN for rows that no fold of a repeat tests.
    """
    found = np.full((1 + max(repeat for repeat, _, _ in folds), n_rows), np.nan)
    for (repeat, _, test), predicted in zip(folds, predictions, strict=True):
        found[repeat, test] = predicted
    return found
