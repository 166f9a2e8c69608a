"""What a shared baseline alone would show, and figures too good to be true."""

from dataclasses import dataclass

import numpy as np

from ketapredict.cohort.protocols import PRE, Protocol
from ketapredict.features.design import THRESHOLD
from ketapredict.model.folds import repeated_folds
from ketapredict.model.members import TrainingData
from ketapredict.validate.intervals import Interval
from ketapredict.validate.logistic import expit, fit_logistic
from ketapredict.validate.measures import auc, log_loss

N_PERMUTATIONS = 200
COURSES_PER_BAND = 10
MOST_BANDS = 10
N_FOLDS = 5
# Before infusion 3 (DESIGN, The model), by the estimate; and what is credible with an early score, by its lower limit:
# in a few courses any model may seem as good by chance.
SUSPECT_AUC, CREDIBLE_AUC = 0.85, 0.80
SUSPECT_FEATURE_AUC = 0.95
FEWEST_KNOWN = 20
FREE_OF_SUSPICION_FROM = "inf3"
# The gate lets no model through of whose run a warning has these words.
SUSPICION = "LEAKAGE SUSPECTED."
_RIDGE = 1e-3
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class CouplingNull:
    """A figure beside what it would be if end scores depended on the baseline alone.

    Attributes
    ----------
    measure : str
        `auc` or `log_loss`.
    observed : float
    null : float
        Mean over the permutations.
    null_low, null_high : float
        2.5th and 97.5th percentile over the permutations.
    gain : float
        How much better than the null: observed - null for the AUC, null - observed for the log-loss.
    p_value : float
        Share of permutations at least as good, (1 + count) / (1 + permutations).
    permutations : int
    """

    measure: str
    observed: float
    null: float
    null_low: float
    null_high: float
    gain: float
    p_value: float
    permutations: int


def coupling_null(
    data: TrainingData, score: np.ndarray, rng: np.random.Generator, n_permutations: int = N_PERMUTATIONS
) -> dict[str, CouplingNull]:
    """Compare how well a score predicts the outcome with the null of the shared baseline.

    Early improvement and response share the baseline, so they go together even where the end score has
    nothing to do with the early score. Under the null, end scores are permuted among courses of about the
    same baseline (quantile bands of at least ten courses, ten bands at most) and the outcome is judged again
    by each course's own threshold: what the baseline brings stays, the rest is cut. AUC of the score as it
    is; log-loss of an out-of-fold logistic regression on the score, fitted anew to each permutation.

    For early improvement this is the whole procedure. For a model's out-of-fold log-odds the ranking is held
    while the outcome is permuted: its null is then what the model's ranking owes to the baseline.

    Parameters
    ----------
    data : TrainingData
    score : numpy.ndarray (n,)
        Higher for a more likely outcome: early improvement, or a model's out-of-fold log-odds.
    rng : numpy.random.Generator
    n_permutations : int

    Returns
    -------
    dict of str to CouplingNull
        By measure.

    References
    ----------
    Oldham, J Chronic Dis 1962;15:969 (change and baseline); Tu and Gilthorpe, Stat Med 2007;26:443.
    """
    baseline = data.frame["severity_relative"].to_numpy(float)
    threshold = data.frame[THRESHOLD].to_numpy(float)
    bands = baseline_bands(baseline)
    folds = [(train, test) for _, train, test in repeated_folds(data.labels, data.patients, N_FOLDS, 1, rng)]
    spread = float(score.std())
    x = (score - score.mean()) / (spread if spread > 0 else 1.0)
    seen = [auc_and_log_loss(data.labels, x, folds)]
    for _ in range(n_permutations):
        end = data.end_scores.copy()
        for band in bands:
            end[band] = end[rng.permutation(band)]
        seen.append(auc_and_log_loss((end <= threshold + _ROUNDING).astype(float), x, folds))
    observed, null = seen[0], np.array(seen[1:])
    found = {}
    for column, (measure, sign) in enumerate((("auc", 1.0), ("log_loss", -1.0))):
        values = null[:, column]
        values = values[np.isfinite(values)]
        low, high = np.percentile(values, (2.5, 97.5))
        as_good = int((sign * values >= sign * observed[column]).sum())
        gain = sign * (observed[column] - values.mean())
        p_value = (1 + as_good) / (1 + len(values))
        figures = (observed[column], float(values.mean()), float(low), float(high), float(gain), p_value)
        found[measure] = CouplingNull(measure, *figures, len(values))
    return found


def baseline_bands(baseline: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each band of the baseline; equal scores are in the same band."""
    number = int(np.clip(len(baseline) // COURSES_PER_BAND, 1, MOST_BANDS))
    edges = np.unique(np.quantile(baseline, np.linspace(0, 1, number + 1)[1:-1]))
    codes = np.searchsorted(edges, baseline, side="left")
    return [np.flatnonzero(codes == code) for code in np.unique(codes)]


def auc_and_log_loss(y: np.ndarray, x: np.ndarray, folds: list[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """Return the AUC of x and the log-loss of an out-of-fold logistic regression on x; NaN with one class."""
    if y.min() == y.max():
        return np.nan, np.nan
    design = np.column_stack([np.ones(len(x)), x])
    trained = np.zeros((len(folds), len(x)))
    for row, (train, _) in enumerate(folds):
        trained[row, train] = 1.0
    coefficients = fit_logistic(design, y, trained, ridge=np.array([_RIDGE, _RIDGE]))
    p = np.empty(len(x))
    for row, (_, test) in enumerate(folds):
        p[test] = expit(design[test] @ coefficients[row])
    return auc(y, expit(x)), log_loss(y, p)


def leakage_suspicion(data: TrainingData, landmark: str, protocol: Protocol, model_auc: Interval) -> tuple[str, ...]:
    """Return warnings about figures that are too good to be true, as plain sentences; empty where there are none.

    The out-of-fold AUC is over 0.85, and its 95% interval over 0.80, before infusion 3 (in protocols without it: at
    any landmark); or one
    feature alone, or whether it is missing, separates the outcome with an AUC over 0.95 either way.

    Parameters
    ----------
    data : TrainingData
    landmark : str
    protocol : Protocol
    model_auc : Interval
        Of out-of-fold predictions.
    """
    warnings = []
    early = landmark == PRE or FREE_OF_SUSPICION_FROM not in protocol.names
    early = early or protocol.position(landmark) < protocol.position(FREE_OF_SUSPICION_FROM)
    if early and model_auc.estimate > SUSPECT_AUC and not model_auc.low <= CREDIBLE_AUC:
        warnings.append(
            f"At {landmark} the AUC is {model_auc.estimate:.2f}; over {SUSPECT_AUC:g} before infusion 3 leakage is "
            "the first suspicion: a column that is known only later, or a copy of the outcome."
        )
    for feature in data.features:
        values = data.frame[feature.name].to_numpy(float)
        known = ~np.isnan(values)
        alone = _separation(data.labels[known], values[known])
        if alone > SUSPECT_FEATURE_AUC:
            warnings.append(
                f"{feature.label} ({feature.name}) alone separates the outcome at {landmark} with an AUC of "
                f"{alone:.2f}: check when it is recorded and what it is computed from."
            )
        if _separation(data.labels, known.astype(float)) > SUSPECT_FEATURE_AUC:
            warnings.append(
                f"Whether {feature.label} ({feature.name}) is recorded alone separates the outcome at {landmark}: it "
                "seems to be recorded because of the outcome."
            )
    return tuple(warnings)


def _separation(y: np.ndarray, values: np.ndarray) -> float:
    if len(y) < FEWEST_KNOWN or y.min() == y.max():
        return 0.5
    levels, ranks = np.unique(values, return_inverse=True)
    found = auc(y, ranks / max(len(levels) - 1, 1))
    return max(found, 1 - found)
