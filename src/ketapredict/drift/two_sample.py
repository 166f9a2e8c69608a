"""Have two samples of counts come from one distribution? Statistics, and how often chance gives as much.

The reference is exact at every size: given the counts of both samples together, all ways of dividing the courses among
them are equally likely if nothing drifted. That is the multivariate hypergeometric distribution, from which a large
number of divisions is drawn; no table of critical values and no rule of thumb is needed, and no size is too small.
"""

from collections.abc import Callable

import numpy as np
from scipy.stats import fisher_exact

N_DIVISIONS = 19_999
_AT_ONCE = 1_000
_ENOUGH = 100
Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]


def anderson_darling(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the two-sample Anderson-Darling statistic of ordered counts, with midranks for ties.

    A2 = (N - 1) / N sum_i 1 / n_i sum_j l_j / N (N M_ij - n_i B_j)^2 / (B_j (N - B_j) - N l_j / 4), with l_j the
    courses of both samples in bin j, and M_ij, B_j those of sample i and of both up to the middle of bin j: equation 7
    of Scholz and Stephens, J Am Stat Assoc 1987;82:918. It looks at the whole distribution, at the ends too.

    Parameters
    ----------
    first, second : numpy.ndarray
        (..., bins) counts.

    Returns
    -------
    numpy.ndarray
        (...)
    """
    both = first + second
    total = both.sum(axis=-1, keepdims=True)
    middle = both.cumsum(axis=-1) - both / 2
    spread = middle * (total - middle) - total * both / 4
    result = np.zeros(both.shape[:-1])
    for counts in (first, second):
        size = counts.sum(axis=-1, keepdims=True)
        distance = total * (counts.cumsum(axis=-1) - counts / 2) - size * middle
        terms = np.divide(both / total * distance**2, spread, out=np.zeros_like(spread), where=spread > 0)
        result += terms.sum(axis=-1) / size[..., 0]
    return np.asarray(result * (total[..., 0] - 1) / total[..., 0])


def pearson(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Pearson's chi-square statistic of two samples of counts without order; parameters as above."""
    both = first + second
    total = both.sum(axis=-1, keepdims=True)
    result = np.zeros(both.shape[:-1])
    for counts in (first, second):
        expected = both * counts.sum(axis=-1, keepdims=True) / total
        squares = (counts - expected) ** 2
        result += np.divide(squares, expected, out=np.zeros_like(squares), where=expected > 0).sum(axis=-1)
    return result


def population_stability(first: np.ndarray, second: np.ndarray) -> float:
    """Return the population stability index: sum of (q - p) log(q / p) over the shares p and q of the bins.

    Half a course is added to every count, so that an empty bin has a logarithm. It is shown because people know it;
    what it is by chance depends on size and bins, so no cut-off is applied to it.
    """
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (first, second))
    return float(((q - p) * np.log(q / p)).sum())


def share_elsewhere(first: np.ndarray, second: np.ndarray) -> float:
    """Return the share of courses that would have to be in another bin for both samples to be alike.

    The total variation distance, half the sum of |q - p|, 0 to 1.
    """
    return float(np.abs(second / second.sum() - first / first.sum()).sum() / 2)


def probability_of_more(first: np.ndarray, second: np.ndarray) -> float:
    """Return the probability that a course of the second sample lies in a higher bin than one of the first.

    Courses in the same bin count half.
    """
    p, q = first / first.sum(), second / second.sum()
    return float((q * (p.cumsum() - p / 2)).sum())


def division_p_value(
    first: np.ndarray, second: np.ndarray, statistic: Statistic, rng: np.random.Generator, draws: int = N_DIVISIONS
) -> float:
    """Return the share of divisions of the courses whose statistic is at least that of the samples.

    (1 + number) / (1 + draws), or, as soon as the number is 100, 100 / draws so far: right at every size and every
    number of draws (Besag and Clifford, Biometrika 1991;78:301; Phipson and Smyth, Stat Appl Genet Mol Biol 2010;9:39).

    Parameters
    ----------
    first, second : numpy.ndarray
        (bins,) counts.
    statistic : callable
    rng : numpy.random.Generator
    draws : int
    """
    both = np.asarray(first + second, dtype=np.int64)
    found = float(statistic(first, second))
    number = 0
    for start in range(0, draws, _AT_ONCE):
        drawn = rng.multivariate_hypergeometric(
            both, int(second.sum()), size=min(_AT_ONCE, draws - start), method="marginals"
        )
        # Sums of the same terms in another order differ in the last digit.
        as_large = np.flatnonzero(statistic(both - drawn, drawn) >= found * (1 - 1e-9))
        if number + len(as_large) >= _ENOUGH:
            return _ENOUGH / (start + int(as_large[_ENOUGH - number - 1]) + 1)
        number += len(as_large)
    return (1 + number) / (1 + draws)


def share_p_value(first: int, of_first: int, second: int, of_second: int, *, only_more: bool = False) -> float:
    """Return Fisher's exact p-value of two shares; one-sided with `only_more`: that the second is the larger."""
    table = [[second, of_second - second], [first, of_first - first]]
    return float(fisher_exact(table, alternative="greater" if only_more else "two-sided").pvalue)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return p-values adjusted by Holm's method: the chance of one false alarm or more among all of them.

    Right whatever the dependence between the tests (Holm, Scand J Stat 1979;6:65).
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p_values[order] * factors))
    return adjusted
