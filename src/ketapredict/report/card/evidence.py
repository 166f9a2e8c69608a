"""What came from published evidence and what from the courses that were trained on."""

import numpy as np
import pandas as pd

from ketapredict.features.design import features_at
from ketapredict.model.bundle import Bundle
from ketapredict.model.evidence_logistic import UNKNOWN_SD
from ketapredict.model.landmark_model import LandmarkModel
from ketapredict.model.prior import EvidencePrior, prior_at
from ketapredict.report.card.facts import CardFacts, interval, number
from ketapredict.report.card.page import Block, Heading, Points, Section, Table, Text
from ketapredict.validate.measures import MEASURES


def evidence(facts: CardFacts) -> Section:
    """Prior and fitted coefficients, the prior's strength and worth, the performance with it and without."""
    prior = facts.model.bundle.provenance.get("prior", {"used": False})
    title = "What came from evidence and what from this data"
    if "updated_from" in facts.model.bundle.provenance:
        return Section("evidence", title, [Text(_of_the_parent(facts.model.bundle))])
    if not prior["used"]:
        return Section("evidence", title, [Text("Nothing came from evidence: the model was fitted without a prior.")])
    trials = ", ".join(f"{name} ({treatment})" for name, treatment in prior["trials"].items()) or "none"
    blocks: list[Block] = [
        Text(
            "Each coefficient starts from a prior: a mean and a spread (SD) that say how far a clinic may be from it. "
            f"The prior (SHA-256 `{prior['sha256'][:12]}…`) comes from three sources kept apart: trials whose courses "
            f"were at hand ({trials}), the calibrated simulator, and published effects, whose rows of the evidence are "
            "named. Published effects are marginal and from single small studies: they are drawn to 0."
        )
    ]
    for model, study in facts.by_landmark:
        if "prior" in study.tables:
            blocks += _fitted(model.landmark, study.tables["prior"], study.tables["prior_performance"])
    alone = [model for model in facts.model.bundle.landmarks if model.from_evidence]
    for model in alone:
        blocks += _alone(facts.model.bundle, model, facts.evidence)
    return Section("evidence", title, blocks)


def _of_the_parent(bundle: Bundle) -> str:
    """Say what the model that was updated, at the end of a line of updates, was fitted from."""
    provenance = bundle.provenance
    while "updated_from" in provenance:
        provenance = provenance["updated_from"]["provenance"]
    prior = provenance.get("prior", {"used": False})
    update = "The update itself starts from the model that was updated, and from no other evidence. "
    if not prior["used"]:
        return update + "That one was fitted without a prior."
    return (
        update
        + f"That one started from the evidence prior (SHA-256 `{prior['sha256'][:12]}…`): its own card says what "
        "came from where."
    )


def _fitted(landmark: str, coefficients: pd.DataFrame, performance: pd.DataFrame) -> list[Block]:
    strength = float(coefficients["strength"].iloc[0])
    kept = (
        "as it is (strength 1): no other strength was better by three standard errors"
        if strength == 1
        else f"with strength {strength:g} (1: as it is), chosen by out-of-fold log-loss"
    )
    rows = [
        [
            row.label,
            f"{row.prior_mean:+.3f} (SD {row.prior_sd:.3f})",
            _signed(row.fitted),
            _signed(row.committee),
            f"{row.worth_courses:.0f}" if np.isfinite(row.worth_courses) else "–",
            row.certainty,
            row.sources,
        ]
        for row in coefficients.itertuples()
    ]
    header = ["per unit of the feature, log-odds", "prior", "fitted from it", "in the committee"]
    measures = [
        [
            MEASURES[row.measure].label,
            number(row.with_prior, 4),
            number(row.without, 4),
            interval(row.difference, row.low, row.high, 4),
        ]
        for row in performance.itertuples()
    ]
    return [
        Heading(f"At {landmark}: the prior was used {kept}"),
        Table(
            f"Prior and fitted coefficients at {landmark}",
            [*header, "worth, courses", "certainty", "from"],
            rows,
        ),
        Text(
            "Worth: how many of these courses say as much about that one coefficient as the prior does (Morita, Thall "
            "and Müller 2008), taken alone. Of all else evidence says nothing: it is drawn to 0, with an SD of "
            f"{UNKNOWN_SD} for one SD of the feature. Nobody knows how closely late scores follow early ones under "
            "ketamine: that is part of the spread of early improvement, and moves all its coefficients together."
        ),
        Table(
            f"Out of fold with the prior and without it at {landmark}, the same folds",
            ["measure", "with", "without", "difference, paired 95% interval"],
            measures,
        ),
    ]


def _alone(bundle: Bundle, model: LandmarkModel, evidence: EvidencePrior | None) -> list[Block]:
    """Return the coefficients of a model that no course has fitted, with what the prior says of them."""
    told: dict[str, list[str]] = {}
    if evidence is not None:
        features = features_at(model.landmark, bundle.protocol)
        prior = prior_at(evidence, features, model.landmark, bundle.protocol)
        told = {
            name: [f"{sd:.3f}", certainty, source]
            for name, sd, certainty, source in zip(
                prior.names, prior.spreads, prior.certainty, prior.sources, strict=True
            )
        }
    moved = f"its rate moved by {model.updated.courses} courses" if model.updated else "no patient's data in it"
    labels = {feature.name: feature.label for feature in model.features}
    rows = [
        [labels[column.feature], f"{value:+.3f}", *told.get(column.feature, ["–", "–", "–"])]
        for column, value in zip(model.columns, model.coefficients, strict=True)
    ]
    header = ["per unit of the feature, log-odds", "prior", "SD", "certainty", "from"]
    points = [
        "Nothing in it was fitted to a patient's outcome but, where courses are named, the rate.",
        f"Rate, means and spread of the inputs are of {model.courses} simulated courses.",
    ]
    return [
        Heading(f"At {model.landmark}: the evidence model, {moved}"),
        Points(points),
        Table(f"Coefficients at {model.landmark}", header, rows),
    ]


def _signed(value: float) -> str:
    return f"{value:+.3f}" if np.isfinite(value) else "does not enter"
