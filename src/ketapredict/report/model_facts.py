"""What a response model is, in full: sizes, members, and every coefficient, as Markdown."""

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
        f"| SHA-256 of the training data | `{bundle.provenance['data_sha256']}` |",
        f"| SHA-256 of the model | `{model.sha256}` |",
        f"| seed | {bundle.provenance['seed']} |",
        *[f"| {name} | {version} |" for name, version in bundle.provenance["versions"].items()],
        "",
        *[f"- {notice}" for notice in bundle.provenance["notices"]],
    ]
    for landmark in bundle.landmarks:
        lines += _landmark_lines(landmark, bundle.outcome)
    return "\n".join(lines).rstrip() + "\n"


def _landmark_lines(model: LandmarkModel, outcome: Outcome) -> list[str]:
    lines = [
        "",
        f"## Landmark {model.landmark} ({moment_words(model.landmark)})",
        "",
        f"{model.courses} courses of {model.patients} patients, {model.events} with {outcome} "
        f"({percent(model.event_rate)}).",
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
