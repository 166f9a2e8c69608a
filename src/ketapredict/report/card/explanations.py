"""What moves the estimates: global contributions over the training courses."""

import numpy as np
import pandas as pd

from ketapredict.explain.contributions import Contributions
from ketapredict.explain.words import concept_label
from ketapredict.model.landmark_model import LandmarkModel
from ketapredict.report.card.facts import CardFacts
from ketapredict.report.card.page import Block, Figure, Section, Table, Text
from ketapredict.report.contributions import course_contributions
from ketapredict.report.figures.beeswarm import beeswarm_figure
from ketapredict.report.figures.dependence import BinnedDependence, binned_dependence, dependence_figure

PANELS = 4
FEWEST_VALUES = 8


def explanations(facts: CardFacts) -> Section:
    """Beeswarm per concept, dependence of the leading numbers."""
    bundle = facts.model.bundle
    blocks: list[Block] = [
        Text(
            "Contributions are exact: log-odds = start of the model + the sum of them. They describe the model's "
            "estimate, not causes. Dots of one row cannot be told to belong to dots of another."
        )
    ]
    for model in bundle.landmarks:
        frame, found = course_contributions(model, facts.cohort, bundle.outcome)
        if len(frame) < FEWEST_VALUES:
            continue
        labels = [concept_label(concept) for concept in found.concepts]
        ranks = np.column_stack([_leading_rank(frame, model, found, concept) for concept in found.concepts])
        svg = beeswarm_figure(facts.statement, model.landmark, labels, found.by_concept, ranks)
        caption = f"Contributions at {model.landmark}, log-odds, largest concept on top; shade by the leading input."
        blocks.append(Figure(f"beeswarm-{model.landmark}", svg, caption))
        order = np.argsort(-np.abs(found.by_concept).mean(axis=0), kind="stable")
        rows = [[labels[k], f"{np.abs(found.by_concept[:, k]).mean():.3f}"] for k in order]
        caption = f"Mean absolute contribution per concept at {model.landmark}, log-odds"
        blocks.append(Table(caption, ["concept", "log-odds"], rows, folded=True))
        panels = _panels(frame, model, found)
        if panels:
            svg = dependence_figure(facts.statement, model.landmark, panels)
            caption = (
                f"How the leading inputs move the estimate at {model.landmark}: mean and 10th to 90th percentile of "
                "the input's own contribution, in bins of at least ten courses."
            )
            blocks.append(Figure(f"dependence-{model.landmark}", svg, caption))
    return Section("contributions", "What moves the estimates", blocks)


def feature_contributions(model: LandmarkModel, found: Contributions) -> dict[str, np.ndarray]:
    """Return each feature's own contribution (n,): its design columns and its part of the trees."""
    owners = [column.feature for column in model.columns] + list(model.tree_features)
    total: dict[str, np.ndarray] = {}
    for position, owner in enumerate(owners):
        total[owner] = total.get(owner, 0.0) + found.by_column[:, position]
    return total


def _leading_rank(frame: pd.DataFrame, model: LandmarkModel, found: Contributions, concept: str) -> np.ndarray:
    """Return the rank in [0, 1] of the concept's input that moves most; NaN where it is missing or does not vary."""
    own = feature_contributions(model, found)
    names = [f.name for f in model.features if f.concept == concept and f.name in own]
    leading = max(names, key=lambda name: float(np.abs(own[name]).mean()), default=None)
    if leading is None or frame[leading].nunique() < 2:
        return np.full(len(frame), np.nan)
    ranks = frame[leading].rank(method="average").to_numpy(float)
    return (ranks - 1.0) / max(np.nanmax(ranks) - 1.0, 1.0)


def _panels(frame: pd.DataFrame, model: LandmarkModel, found: Contributions) -> list[tuple[str, BinnedDependence]]:
    own = feature_contributions(model, found)
    features = [f for f in model.features if f.name in own and frame[f.name].nunique() >= FEWEST_VALUES]
    features.sort(key=lambda f: -float(np.abs(own[f.name]).mean()))
    return [(f.label, binned_dependence(frame[f.name].to_numpy(float), own[f.name])) for f in features[:PANELS]]
