"""Bootstrap refits of the whole procedure, made once: optimism and instability both read them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ketapredict.errors import TrainingError
from ketapredict.model.folds import patient_codes
from ketapredict.model.members import TrainingData
from ketapredict.validate.fits import fit_and_predict

N_REFITS = 100
# A sample with fewer patients of one class has no folds to choose penalties by: it is drawn again.
FEWEST_PATIENTS_PER_CLASS = 5
_MOST_DRAWS = 200


@dataclass(frozen=True, slots=True)
class Refits:
    """Predictions of fits to bootstrap samples of patients, for all of the original courses.

    Attributes
    ----------
    apparent : numpy.ndarray
        (n,) log-odds of each course by the procedure fitted to all courses.
    log_odds : numpy.ndarray
        (B, n) log-odds of each course by each refit.
    counts : numpy.ndarray
        (B, n) float, how many times the refit's sample holds the course; 0 is out of the sample.
    labels, patients : numpy.ndarray
        (n,) outcomes and patients of the courses.
    """

    apparent: np.ndarray
    log_odds: np.ndarray
    counts: np.ndarray
    labels: np.ndarray
    patients: np.ndarray


def bootstrap_refits(
    data: TrainingData,
    rng: np.random.Generator,
    n_refits: int = N_REFITS,
    apparent: np.ndarray | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Refits:
    """Refit preparation, penalties, weights and members to bootstrap samples of the patients.

    Patients are drawn with replacement, each with all of their courses. A patient who is drawn twice stays
    one patient to the folds that choose penalties, so that no copy is tested on by a fit that saw another
    (otherwise penalties come out too weak). The result depends on the data and the generator only, not on
    the number of workers.

    Parameters
    ----------
    data : TrainingData
        n courses.
    rng : numpy.random.Generator
    n_refits : int
        B, at least 2. 100 give the optimism of a measure to about a tenth of its bootstrap standard
        deviation; percentiles of single predictions want 200 (Riley and Collins 2023).
    apparent : numpy.ndarray (n,), optional
        Log-odds of the courses by the model that is reported; fitted here once more where absent.
    progress : callable
        Called with the number of fits done since the last call: n_refits in all, one more without `apparent`.

    Returns
    -------
    Refits
        8 B n bytes for each of its two matrices.

    Raises
    ------
    TrainingError
        If samples with at least five patients of either class cannot be drawn.
    """
    everyone = np.arange(len(data.labels))
    samples = [_sample(data, rng) for _ in range(n_refits)]
    splits = [(sample, everyone) for sample in samples]
    if apparent is None:
        splits.append((everyone, everyone))
    found = [log_odds for log_odds, _ in fit_and_predict(data, splits, rng, progress)]
    counts = np.stack([np.bincount(sample, minlength=len(everyone)) for sample in samples]).astype(float)
    return Refits(
        np.asarray(found[-1] if apparent is None else apparent, float),
        np.stack(found[:n_refits]),
        counts,
        data.labels,
        data.patients,
    )


def _sample(data: TrainingData, rng: np.random.Generator) -> np.ndarray:
    """Return the rows of patients drawn with replacement, in the order of the draw."""
    codes, n_patients = patient_codes(data.patients, len(data.labels))
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=n_patients))
    rows_of = np.split(order, ends[:-1])
    for _ in range(_MOST_DRAWS):
        drawn = rng.integers(0, n_patients, n_patients)
        rows = np.concatenate([rows_of[patient] for patient in drawn])
        distinct = [len(np.unique(codes[rows][data.labels[rows] == level])) for level in (0, 1)]
        if min(distinct) >= FEWEST_PATIENTS_PER_CLASS:
            return rows
    raise TrainingError(
        f"Bootstrap samples need at least {FEWEST_PATIENTS_PER_CLASS} patients with the outcome and as many without; "
        "they could not be drawn. More courses are needed."
    )
