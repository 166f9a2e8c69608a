"""What a response model is, in full: sizes, members, and every coefficient, as Markdown."""

from typing import Any

from ketapredict.cohort.outcomes import Outcome
from ketapredict.explain.words import concept_label, moment_words, percent
from ketapredict.model.landmark_model import LandmarkModel
from ketapredict.report.words import OUTCOME_WORDS
from ketapredict.response_model import ResponseModel


def model_facts(model: ResponseModel) -> str:
    """Describe a model completely enough to compute its linear part by hand.

    Parameters
    ----------
    model : ResponseModel

    Returns
    -------
    str
        Markdown; the first line says what the model was trained on.
    """
    bundle = model.bundle
    courses = "updating" if "updated_from" in bundle.provenance else "training"
    outcome_at = moment_words(bundle.protocol.outcome)
    lines = [
        f"**{bundle.statement}**",
        "",
        f"# {bundle.name}, version {model.version}",
        "",
        f"Estimates the probability of {bundle.outcome} ({OUTCOME_WORDS[bundle.outcome]}) at: {outcome_at}, under the "
        f"protocol `{bundle.protocol.name}`, on {', '.join(bundle.scales)}.",
        "",
        "It supports a judgement and never makes one. It is not for deciding to stop treatment, nor for watching a "
        "patient less closely.",
        "",
        "| | |",
        "|---|---|",
        f"| trained on | {bundle.trained_on}{', all arms' if bundle.with_arm else ', active arm only'} |",
        f"| SHA-256 of the {courses} data | `{bundle.provenance['data_sha256']}` |",
        f"| SHA-256 of the model | `{model.sha256}` |",
        f"| seed | {bundle.provenance['seed']} |",
        *[f"| {name} | {version} |" for name, version in bundle.provenance["versions"].items()],
        *_parent_lines(bundle.provenance),
        "",
        *[f"- {notice}" for notice in bundle.provenance["notices"]],
    ]
    for landmark in bundle.landmarks:
        lines += _landmark_lines(landmark, bundle.outcome)
    return "\n".join(lines).rstrip() + "\n"


def _parent_lines(provenance: dict[str, Any]) -> list[str]:
    """Name the models that this one was updated from, the latest first."""
    lines = []
    while "updated_from" in provenance:
        parent = provenance["updated_from"]
        provenance = parent["provenance"]
        lines += [
            f"| updated from the model with SHA-256 | `{parent['model_sha256']}` |",
            f"| ... which was trained on | {parent['trained_on']}, seed {provenance['seed']}, "
            f"data `{provenance['data_sha256']}` |",
        ]
    return lines


def _updating_lines(model: LandmarkModel, outcome: Outcome) -> list[str]:
    facts = model.updated
    if facts is None:
        return []
    return [
        "",
        f"Updated with {facts.courses} courses of {facts.patients} patients, {facts.events} with {outcome} "
        f"({percent(model.latest_rate)}): {facts.method}. The means below are those of the training courses, the "
        "weights are multiplied by the slope; the interval and what counts as within experience rest on both.",
    ]


def _landmark_lines(model: LandmarkModel, outcome: Outcome) -> list[str]:
    lines = [
        "",
        f"## Landmark {model.landmark} ({moment_words(model.landmark)})",
        "",
        f"{model.courses} courses of {model.patients} patients, {model.events} with {outcome} "
        f"({percent(model.event_rate)}).",
        *_updating_lines(model, outcome),
        "",
        "| member | weight | settings chosen by resampling |",
        "|---|---|---|",
        *[
            f"| {member.name} | {member.weight:.2f} | "
            + ", ".join(f"{name} {value:.4g}" for name, value in member.settings.items())
            + " |"
            for member in model.members
        ],
        "",
        f"Log-odds = {model.base_logit:.6f} + the sum of coefficient x (value - mean) over the columns below"
        + (f" + the contributions of the trees (weight {model.tree_weight:.2f})" if model.booster else "")
        + ". A missing value is replaced by the training mean of its feature; the columns called *missing*, and the "
        "trees, use that it is missing.",
        "",
        "| column | concept | mean | coefficient |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {column.name} | {concept_label(column.concept)} | {column.mean:.6g} | {coefficient:+.6g} |"
        for column, coefficient in zip(model.columns, model.coefficients, strict=True)
        if coefficient != 0.0
    ]
    return lines
