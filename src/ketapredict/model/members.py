"""The members of the committee: scikit-learn pipelines with penalties chosen by resampling."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer, StandardScaler

from ketapredict.features.design import THRESHOLD, Feature
from ketapredict.features.plan import DesignPlan
from ketapredict.features.preparation import SPLINE_DEGREE
from ketapredict.model.elastic_net import SignedElasticNet, elastic_net_path
from ketapredict.model.end_score import LOGISTIC_SD, EndScoreRegression, ridge_path, shift_to_rate
from ketapredict.model.fold_design import FoldDesign
from ketapredict.model.folds import Fold
from ketapredict.model.prior import LandmarkPrior
from ketapredict.model.trees import MOST_TREES, TREE_COUNTS, tree_pipeline

# Descending, so that a tie goes to the stronger penalty.
PENALTIES = np.geomspace(3.0, 0.003, 11)
L1_RATIOS = (0.1, 0.5, 0.9)
# Of the gradient, where only penalties are compared: moves no out-of-fold log-loss in its sixth digit.
TO_CHOOSE_BY = 1e-5


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What members are fitted to.

    Attributes
    ----------
    frame : pandas.DataFrame
        (n, features + 1) float64: the features and, last, the outcome's threshold.
    features : tuple of Feature
    labels : numpy.ndarray
        (n,) of 0 and 1.
    end_scores : numpy.ndarray
        (n,) end score over the scale's highest total.
    patients : numpy.ndarray
        (n,) integer, equal for courses of one patient.
    weights : numpy.ndarray
        (n,) how much each course counts in the fits; 1 unless completion is weighted for.
    prior : LandmarkPrior or None
        What evidence says of the features; None to learn from the courses alone.
    """

    frame: pd.DataFrame
    features: tuple[Feature, ...]
    labels: np.ndarray
    end_scores: np.ndarray
    patients: np.ndarray
    weights: np.ndarray
    prior: LandmarkPrior | None = None

    def rows(self, index: np.ndarray) -> "TrainingData":
        """Return the courses at some positions."""
        return TrainingData(
            self.frame.iloc[index],
            self.features,
            self.labels[index],
            self.end_scores[index],
            self.patients[index],
            self.weights[index],
            self.prior,
        )


@dataclass(frozen=True, slots=True)
class FittedMember:
    """A member fitted to all training courses.

    Attributes
    ----------
    name : str
    pipeline : sklearn.pipeline.Pipeline
        Its last step has `decision_function`, or is an XGBClassifier.
    out_of_fold : numpy.ndarray
        (n,) log-odds of each training course by fits that did not see it, at the chosen settings.
    settings : dict
        The chosen penalties, plain numbers.
    """

    name: str
    pipeline: Pipeline
    out_of_fold: np.ndarray
    settings: dict[str, float]


def fit_elastic_net(data: TrainingData, plan: DesignPlan, folds: Sequence[Fold]) -> FittedMember:
    """Fit the elastic net on the values and the missingness of the features."""
    return _fit_logistic("elastic net", data, plan, folds, L1_RATIOS, curves=False)


def fit_spline_logistic(data: TrainingData, plan: DesignPlan, folds: Sequence[Fold]) -> FittedMember:
    """Fit the ridge logistic regression on values, missingness and monotone curves."""
    return _fit_logistic("spline logistic", data, plan, folds, (0.0,), curves=True)


def fit_end_score(data: TrainingData, plan: DesignPlan, folds: Sequence[Fold]) -> FittedMember:
    """Fit the end-score regression, drawn to the prior where there is one; its penalty by out-of-fold squared error."""
    columns = member_columns(plan, data, curves=False, threshold=True)
    signs = member_signs(plan, curves=False)
    frame = data.frame.to_numpy(float)
    predicted = np.zeros((len(PENALTIES), len(data.labels)))
    design = FoldDesign.of(plan, list(data.frame.columns), curves=False)
    expected = _expected_end_score(data, plan, len(signs))
    for _, train, test in folds:
        X_train, X_test, scales = design.scaled(frame[train], frame[test])
        intercepts, coefficients = ridge_path(
            X_train, data.end_scores[train], PENALTIES, signs, data.weights[train], expected * scales
        )
        predicted[:, test] += intercepts[:, None] + coefficients @ X_test.T
    predicted /= times_tested(folds, len(data.labels))
    errors = np.average((predicted - data.end_scores) ** 2, axis=1, weights=data.weights)
    best = int(np.argmin(errors))
    residual_sd = float(np.sqrt(errors[best]))
    out_of_fold = (data.frame[THRESHOLD].to_numpy() - predicted[best]) / (residual_sd / LOGISTIC_SD)
    shift = shift_to_rate(out_of_fold, data.labels, data.weights)
    towards = tuple((expected * design.scaled(frame, frame[:0])[2]).tolist())
    model = EndScoreRegression(float(PENALTIES[best]), residual_sd, shift, signs, towards)
    pipeline = Pipeline([("columns", columns), ("model", model)])
    pipeline.fit(frame, data.end_scores, model__sample_weight=data.weights)
    settings = {"penalty": float(PENALTIES[best]), "residual_sd": residual_sd, "shift": shift}
    return FittedMember("end score", pipeline, out_of_fold + shift, settings)


def fit_trees(data: TrainingData, plan: DesignPlan, folds: Sequence[Fold], seed: int) -> FittedMember:
    """Fit the monotone shallow boosting; its number of trees by out-of-fold log-loss."""
    frame = data.frame[[feature.name for feature in plan.values]].to_numpy(float)
    margins = np.zeros((len(TREE_COUNTS), len(data.labels)))
    for _, train, test in folds:
        pipeline = tree_pipeline(plan.values, MOST_TREES, _rate(data, train), seed)
        pipeline.fit(frame[train], data.labels[train], trees__sample_weight=data.weights[train])
        grid = pipeline.named_steps["grid"].transform(frame[test])
        booster = pipeline.named_steps["trees"]
        for position, count in enumerate(TREE_COUNTS):
            margins[position, test] += booster.predict(grid, output_margin=True, iteration_range=(0, count))
    margins /= times_tested(folds, len(data.labels))
    best = int(np.argmin(_log_losses(margins, data)))
    count = TREE_COUNTS[best]
    pipeline = tree_pipeline(plan.values, count, _rate(data, np.arange(len(frame))), seed)
    pipeline.fit(frame, data.labels, trees__sample_weight=data.weights)
    return FittedMember("monotone trees", pipeline, margins[best], {"trees": float(count)})


def log_odds(member: FittedMember, data: TrainingData, plan: DesignPlan) -> np.ndarray:
    """Return a member's log-odds (n,) from its scikit-learn pipeline."""
    if member.name == "monotone trees":
        frame = data.frame[[feature.name for feature in plan.values]].to_numpy(float)
        grid = member.pipeline.named_steps["grid"].transform(frame)
        margin = member.pipeline.named_steps["trees"].predict(grid, output_margin=True)
        return np.asarray(margin, dtype=float)
    return np.asarray(member.pipeline.decision_function(data.frame.to_numpy(float)), dtype=float)


def cumulate(basis: np.ndarray) -> np.ndarray:
    """Turn B-splines (n, k) into the monotone curves (n, k - 1) of `features.preparation`."""
    return np.cumsum(basis[:, ::-1], axis=1)[:, ::-1][:, 1:]


def _fit_logistic(
    name: str,
    data: TrainingData,
    plan: DesignPlan,
    folds: Sequence[Fold],
    l1_ratios: Sequence[float],
    *,
    curves: bool,
) -> FittedMember:
    columns = member_columns(plan, data, curves=curves)
    signs = member_signs(plan, curves=curves)
    frame = data.frame.to_numpy(float)
    settings = [(ratio, penalty) for ratio in l1_ratios for penalty in PENALTIES]
    scores = np.zeros((len(settings), len(data.labels)))
    design = FoldDesign.of(plan, list(data.frame.columns), curves=curves)
    for _, train, test in folds:
        X_train, X_test = design.prepared(frame[train], frame[test])
        path = np.vstack(
            [
                elastic_net_path(
                    X_train, data.labels[train], PENALTIES, ratio, signs, TO_CHOOSE_BY, data.weights[train]
                )
                for ratio in l1_ratios
            ]
        )
        scores[:, test] += path[:, :1] + path[:, 1:] @ X_test.T
    scores /= times_tested(folds, len(data.labels))
    best = int(np.argmin(_log_losses(scores, data)))
    l1_ratio, penalty = settings[best]
    model = SignedElasticNet(float(penalty), float(l1_ratio), signs)
    pipeline = Pipeline([("columns", columns), ("model", model)])
    pipeline.fit(frame, data.labels, model__sample_weight=data.weights)
    return FittedMember(name, pipeline, scores[best], {"penalty": float(penalty), "l1_ratio": float(l1_ratio)})


def member_columns(plan: DesignPlan, data: TrainingData, *, curves: bool, threshold: bool = False) -> ColumnTransformer:
    positions = {name: position for position, name in enumerate(data.frame.columns)}

    def at(features: Sequence[Feature]) -> list[int]:
        return [positions[feature.name] for feature in features]

    def fill() -> SimpleImputer:
        return SimpleImputer(strategy="mean", keep_empty_features=True)

    parts: list[tuple[str, Any, list[int]]] = [
        ("values", Pipeline([("fill", fill()), ("scale", StandardScaler())]), at(plan.values))
    ]
    if plan.missing:
        flags = MissingIndicator(features="all")
        parts.append(("missing", Pipeline([("flag", flags), ("scale", StandardScaler())]), at(plan.missing)))
    if curves:
        for feature, knots in zip(plan.curves, plan.knots, strict=True):
            spline = SplineTransformer(degree=SPLINE_DEGREE, knots=np.array(knots)[:, None], extrapolation="linear")
            steps = [
                ("fill", fill()),
                ("spline", spline),
                ("cumulate", FunctionTransformer(cumulate, check_inverse=False)),
                ("scale", StandardScaler()),
            ]
            parts.append((f"curve {feature.name}", Pipeline(steps), at([feature])))
    if threshold:
        parts.append(("threshold", "passthrough", [positions[THRESHOLD]]))
    return ColumnTransformer(parts)


def member_signs(plan: DesignPlan, *, curves: bool) -> tuple[int, ...]:
    signs = [feature.direction for feature in plan.values] + [0] * len(plan.missing)
    if curves:
        for feature, knots in zip(plan.curves, plan.knots, strict=True):
            signs += [feature.direction] * len(knots)
    return tuple(signs)


def _log_losses(log_odds_rows: np.ndarray, data: TrainingData) -> np.ndarray:
    """Return the mean log-loss of each row of log-odds (m, n)."""
    losses = np.logaddexp(0.0, log_odds_rows) - log_odds_rows * data.labels
    return np.average(losses, axis=1, weights=data.weights)


def _rate(data: TrainingData, rows: np.ndarray) -> float:
    return float(np.average(data.labels[rows], weights=data.weights[rows]))


def _expected_end_score(data: TrainingData, plan: DesignPlan, n_columns: int) -> np.ndarray:
    """Return what evidence expects of the end score per unit of each column, (p,): 0 without a prior."""
    expected = np.zeros(n_columns)
    weights = data.prior.end_score if data.prior is not None else {}
    names = [feature.name for feature in plan.values]
    # All or none: the weights are of features that share the baseline.
    if all(name in names for name in weights):
        for name, weight in weights.items():
            expected[names.index(name)] = weight
    return expected


def times_tested(folds: Sequence[Fold], n: int) -> np.ndarray:
    times = np.zeros(n)
    for _, _, test in folds:
        times[test] += 1
    return times
