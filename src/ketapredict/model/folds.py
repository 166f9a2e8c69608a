"""Folds for repeated cross-validation that keep a patient's courses together."""

import warnings

import numpy as np

from ketapredict.errors import TrainingError

Fold = tuple[int, np.ndarray, np.ndarray]


def repeated_folds(
    y: np.ndarray, groups: np.ndarray, n_folds: int, n_repeats: int, rng: np.random.Generator
) -> list[Fold]:
    """Split rows into stratified folds, several times over.

    Stratified by the outcome. If any patient has several rows, all of them are in the same fold
    (scikit-learn's StratifiedGroupKFold), so that no patient is both trained on and tested on. The number
    of folds is reduced to the number of patients who have the rarer outcome.

    Parameters
    ----------
    y : numpy.ndarray (n,)
        0 or 1.
    groups : numpy.ndarray (n,)
        Patient of each row, none missing.
    n_folds, n_repeats : int
        At least 2 and 1.
    rng : numpy.random.Generator
        The only source of chance: the same state gives the same folds.

    Returns
    -------
    list of (repeat, train, test)
        `repeat` counts from 0; `train` and `test` are ascending row numbers, int64. Within a repeat the
        tests hold every row exactly once.

    Raises
    ------
    TrainingError
        If fewer than two patients have one of the outcomes.
    ValueError
        If the arguments differ in length or a patient is missing.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    labels = np.asarray(y).astype(int)
    codes, n_patients = patient_codes(groups, len(labels))
    rarer = min(len(np.unique(codes[labels == level])) for level in (0, 1))
    if rarer < 2:
        raise TrainingError(
            "Cross-validation needs at least two patients with the outcome and two without it; "
            f"found {rarer}. Use a larger cohort or another outcome."
        )
    grouped = n_patients < len(labels)
    splitter = StratifiedGroupKFold if grouped else StratifiedKFold
    folds: list[Fold] = []
    for repeat in range(n_repeats):
        seed = int(rng.integers(2**31))
        split = splitter(n_splits=min(n_folds, rarer), shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            # Counts of rows and of patients differ, so a class can look too small; `rarer` has seen to it.
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            pairs = list(split.split(labels[:, None], labels, codes if grouped else None))
        folds.extend((repeat, train, test) for train, test in pairs if len(test))
    return folds


def patient_codes(groups: np.ndarray, n_rows: int) -> tuple[np.ndarray, int]:
    """Return a number 0, 1, ... for the patient of each row, (n_rows,), and how many patients there are.

    Raises
    ------
    ValueError
        If there is not one patient for each row, or one is missing.
    """
    labels = np.asarray(groups)
    if labels.shape != (n_rows,) or any(label is None or label != label for label in labels.tolist()):
        raise ValueError("expected one patient for each outcome, none missing")
    names, codes = np.unique(labels, return_inverse=True)
    return codes, len(names)
