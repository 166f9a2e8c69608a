"""Fits of the whole procedure to parts of the data, in parallel: what every kind of resampling is made of."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ketapredict.model.committee import fit_committee
from ketapredict.model.members import TrainingData

Split = tuple[np.ndarray, np.ndarray]


def fit_and_predict(
    data: TrainingData,
    splits: Sequence[Split],
    rng: np.random.Generator,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[tuple[np.ndarray, dict[str, float]]]:
    """Fit preparation, penalties, weights and members to some rows and predict others, once for each split.

    Every fit has a seed of its own, drawn here, and results come in the order of the splits: they depend on
    the data, the splits and the generator, not on the number of workers.

    Parameters
    ----------
    data : TrainingData
    splits : sequence of (train, test)
        Row numbers; rows of `train` may repeat, as in a bootstrap sample. A repeated row keeps its patient,
        so that the folds inside the fit never hold it on both sides.
    rng : numpy.random.Generator
    progress : callable
        Called with 1 after each fit.

    Yields
    ------
    log_odds : numpy.ndarray (len(test),)
    weights : dict of str to float
        Weight of each member in the committee.
    """
    from joblib import Parallel, cpu_count, delayed

    seeds = rng.integers(2**63, size=len(splits))
    jobs = (delayed(_fit)(data, train, test, int(seed)) for (train, test), seed in zip(splits, seeds, strict=True))
    for found in Parallel(n_jobs=cpu_count(), return_as="generator")(jobs):
        yield found
        progress(1)


def _fit(data: TrainingData, train: np.ndarray, test: np.ndarray, seed: int) -> tuple[np.ndarray, dict[str, float]]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        committee = fit_committee(data.rows(train), np.random.default_rng(seed))
        weights = {member.name: weight for member, weight in zip(committee.members, committee.weights, strict=True)}
        return committee.log_odds(data.rows(test)), weights
