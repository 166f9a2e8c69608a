"""From fitted scikit-learn pipelines to the plain data of a landmark model."""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.compose import ColumnTransformer

from ketapredict.features.design import THRESHOLD, Feature
from ketapredict.features.plan import DesignPlan
from ketapredict.features.preparation import DesignColumn
from ketapredict.model.committee import FittedCommittee
from ketapredict.model.end_score import EndScoreRegression
from ketapredict.model.landmark_model import LandmarkModel, MemberFacts
from ketapredict.model.members import FittedMember, TrainingData, member_columns

# What is done to the members' average stands beside the members: an intercept, and weights that sum to its slope.
CALIBRATION = "calibration of the average"


@dataclass(frozen=True, slots=True)
class _Term:
    column: DesignColumn
    scale: float
    coefficient: float


def export_committee(
    landmark: str, committee: FittedCommittee, data: TrainingData, threshold: Feature, *, all_columns: bool = False
) -> LandmarkModel:
    """Write a fitted committee out as plain data.

    Members of weight 0 are named in the result and have no part in its numbers.

    Parameters
    ----------
    landmark : str
    committee : FittedCommittee
    data : TrainingData
        What it was fitted to; only its size and the mean of the threshold are kept.
    threshold : Feature
    all_columns : bool
        Whether all columns of the plan stay, its curves too, with coefficient 0 where no member of a weight uses them:
        intervals need them.

    Returns
    -------
    LandmarkModel
    """
    columns: dict[str, DesignColumn] = {}
    linear: list[tuple[FittedMember, float, float, dict[str, float]]] = []
    booster, tree_weight = b"", 0.0
    for member, weight in zip(committee.members, committee.weights, strict=True):
        if member.name == "monotone trees":
            if weight > 0:
                tree_weight = weight
                booster = bytes(member.pipeline.named_steps["trees"].get_booster().save_raw("ubj"))
            linear.append((member, weight, 0.0, {}))
            continue
        intercept, terms = _linear_terms(member, committee.plan, data, threshold)
        if weight > 0 or all_columns:
            for term in terms:
                columns.setdefault(term.column.name, term.column)
        linear.append((member, weight, intercept, {t.column.name: t.coefficient for t in terms}))
    if all_columns:
        # A committee that starts from evidence has no member with curves; what the data leave open of them stays open.
        every = member_columns(committee.plan, data, curves=True).fit(data.frame.to_numpy(float))
        for column, _ in _design_columns(every, committee.plan):
            columns.setdefault(column.name, column)
    ordered = tuple(columns.values())
    members = tuple(
        MemberFacts(
            member.name,
            weight,
            member.settings,
            intercept,
            np.array([by_name.get(column.name, 0.0) for column in ordered]),
        )
        for member, weight, intercept, by_name in linear
    )
    slope = float(sum(committee.weights))
    members += (MemberFacts(CALIBRATION, 1.0, {"slope": slope}, committee.shift, np.zeros(len(ordered))),)
    used = {column.feature for column in ordered}
    tree_features = tuple(feature.name for feature in committee.plan.values) if booster else ()
    return LandmarkModel(
        landmark=landmark,
        features=tuple(f for f in (*data.features, threshold) if f.name in used or f.name in tree_features),
        columns=ordered,
        coefficients=np.sum([m.weight * m.coefficients for m in members], axis=0),
        intercept=float(sum(m.weight * m.intercept for m in members)),
        members=members,
        tree_features=tree_features,
        tree_weight=tree_weight,
        booster=booster,
        courses=len(data.labels),
        events=int(data.labels.sum()),
        patients=len(np.unique(data.patients)),
    )


def _linear_terms(
    member: FittedMember, plan: DesignPlan, data: TrainingData, threshold: Feature
) -> tuple[float, list[_Term]]:
    """Return the intercept and, per unit of each column, the coefficients of a linear member."""
    columns = _design_columns(member.pipeline.named_steps["columns"], plan)
    model = member.pipeline.named_steps["model"]
    coefficients, intercept, multiplier = model.coef_, model.intercept_, 1.0
    terms = []
    if isinstance(model, EndScoreRegression):
        # log-odds = (threshold - predicted end score) / scale
        multiplier = -1.0 / model.logistic_scale_
        mean = float(data.frame[THRESHOLD].mean())
        column = DesignColumn(THRESHOLD, THRESHOLD, threshold.concept, "value", fill=mean, mean=mean)
        terms.append(_Term(column, 1.0, 1.0 / model.logistic_scale_))
    total = multiplier * intercept + (model.shift if isinstance(model, EndScoreRegression) else 0.0)
    for (column, scale), coefficient in zip(columns, coefficients, strict=True):
        per_unit = multiplier * float(coefficient) / scale
        total -= per_unit * column.mean
        terms.append(_Term(column, scale, per_unit))
    return float(total), terms


def _design_columns(fitted: ColumnTransformer, plan: DesignPlan) -> list[tuple[DesignColumn, float]]:
    """Return each design column with the standard deviation that it was divided by."""
    values = fitted.named_transformers_["values"]
    found = [
        (DesignColumn(feature.name, feature.name, feature.concept, "value", float(fill)), mean, scale)
        for feature, fill, mean, scale in zip(
            plan.values,
            values.named_steps["fill"].statistics_,
            values.named_steps["scale"].mean_,
            values.named_steps["scale"].scale_,
            strict=True,
        )
    ]
    if plan.missing:
        scaler = fitted.named_transformers_["missing"].named_steps["scale"]
        found += [
            (DesignColumn(f"{f.name} missing", f.name, f.concept, "missing", 0.0), mean, scale)
            for f, mean, scale in zip(plan.missing, scaler.mean_, scaler.scale_, strict=True)
        ]
    for feature, knots in zip(plan.curves, plan.knots, strict=True):
        curve = fitted.named_transformers_.get(f"curve {feature.name}")
        if curve is None:
            continue
        fill = float(curve.named_steps["fill"].statistics_[0])
        scaler = curve.named_steps["scale"]
        found += [
            (
                DesignColumn(
                    f"{feature.name} curve {index}",
                    feature.name,
                    feature.concept,
                    "curve",
                    fill,
                    0.0,
                    knots,
                    index,
                ),
                mean,
                scale,
            )
            for index, (mean, scale) in enumerate(zip(scaler.mean_, scaler.scale_, strict=True), start=1)
        ]
    return [(replace(column, mean=float(mean)), float(scale)) for column, mean, scale in found]
