"""What the model's estimate rests on, in words: sentences made from the same contributions as the picture."""

import re

import numpy as np

from ketapredict.cohort.cells import is_missing
from ketapredict.cohort.columns import CONCEPTS, Column
from ketapredict.cohort.protocols import Protocol
from ketapredict.cohort.scales import SCALES, severity_band
from ketapredict.model.log_odds import expit
from ketapredict.model.uncertainty import INTERVAL_LEVEL


def concept_label(concept: str) -> str:
    """Return a clinician's words for a concept; extra concepts carry theirs in their slug."""
    return CONCEPTS.get(concept, concept.replace("_", " "))


def moment_words(moment: str) -> str:
    """Return a time point in words: `24h` as 24 h, `7d` as day 7, `inf3` as 24 h after infusion 3."""
    if found := re.fullmatch(r"inf(\d+)", moment):
        return f"24 h after infusion {found[1]}"
    if found := re.fullmatch(r"(\d+)(h|min)", moment):
        return f"{found[1]} {found[2]}"
    if found := re.fullmatch(r"(\d+)d|d(\d+)", moment):
        return f"day {found[1] or found[2]}"
    if found := re.fullmatch(r"w(\d+)", moment):
        return f"week {found[1]}"
    return {"pre": "before infusion 1", "end": "the end of the course"}.get(moment, moment)


def percent(probability: float) -> str:
    """Return a probability as a whole percentage that never claims certainty."""
    if probability < 0.01:
        return "under 1%"
    if probability > 0.99:
        return "over 99%"
    return f"{probability:.0%}"


def interval_words(p_low: float | None, p_high: float | None) -> str:
    """Return the 90% interval in words; empty where there is none."""
    if p_low is None or p_high is None:
        return ""
    return f"{INTERVAL_LEVEL:.0%} interval {percent(p_low)} to {percent(p_high)}"


def steps_largest_first(
    base_logit: float, concepts: tuple[str, ...], by_concept: np.ndarray
) -> list[tuple[str, float, float, float]]:
    """Order the contributions of one course by size and add them up.

    Parameters
    ----------
    base_logit : float
    concepts : tuple of str
    by_concept : numpy.ndarray
        (k,) log-odds.

    Returns
    -------
    list of (str, float, float, float)
        Concept, contribution, probability before it, probability after it.
    """
    order = np.argsort(-np.abs(by_concept), kind="stable")
    values = by_concept[order]
    # Added from left to right, as a reader would.
    probabilities = expit(np.cumsum(np.append(base_logit, values))).tolist()
    names = [concepts[position] for position in order.tolist()]
    return list(zip(names, values.tolist(), probabilities[:-1], probabilities[1:], strict=True))


def sentences(
    steps: list[tuple[str, float, float, float]],
    course: dict[str, object],
    columns: dict[str, Column],
    protocol: Protocol,
    landmark: str,
) -> list[str]:
    """Tell the steps of one course in sentences, largest first.

    Parameters
    ----------
    steps : list
        From `steps_largest_first`.
    course : dict
        The course's values by column; None or NaN where missing.
    columns : dict of str to Column
    protocol : Protocol
    landmark : str

    Returns
    -------
    list of str
        They describe the model's estimate, never a cause.
    """
    told: list[str] = []
    for concept, contribution, before, after in steps:
        if percent(before) == percent(after):
            break  # this one and the smaller ones after it are told together
        found = _finding(concept, course, columns, protocol, landmark)
        if not told:
            verb = "moves the estimate most:"
        else:
            verb = "raises the estimate" if contribution > 0 else "lowers the estimate"
        told.append(f"{found[0].upper()}{found[1:]} {verb} from {percent(before)} to {percent(after)}.")
    if rest := steps[len(told) :]:
        ends = percent(rest[0][2]), percent(rest[-1][3])
        moved = f"from {ends[0]} to {ends[1]}" if ends[0] != ends[1] else "by less than a percentage point"
        subject = "What else is known" if told else "What is known"
        told.append(f"{subject} ({', '.join(concept_label(step[0]) for step in rest)}) moves the estimate {moved}.")
    return told


def _finding(
    concept: str, course: dict[str, object], columns: dict[str, Column], protocol: Protocol, landmark: str
) -> str:
    scale = SCALES[str(course["scale"])]
    baseline = float(str(course["score_baseline"]))
    if concept == "early_improvement":
        moments = [p.name for p in protocol.points_until(landmark) if not is_missing(course[f"score_{p.name}"])]
        score = float(str(course[f"score_{moments[-1]}"]))
        when = moment_words(moments[-1])
        if score == baseline:
            return f"the unchanged score of {score:g} points at {when}"
        change = "fall" if score < baseline else "rise"
        return f"the {change} from {baseline:g} to {score:g} points at {when}"
    if concept == "severity":
        band = severity_band(scale, baseline)
        return f"the baseline of {baseline:g} points" + (f" ({band})" if band else "")
    known, unknown = [], []
    for column in columns.values():
        if column.concept != concept or column.kind == "score":
            continue
        if is_missing(course.get(column.name)):
            unknown.append(column.label)
        else:
            known.append(_value_words(column, course[column.name]))
    if not known:
        return f"that {', '.join(unknown) or concept_label(concept)} is not known"
    if len(known) == 1 and known[0].startswith(concept_label(concept)):
        return known[0]
    return f"{concept_label(concept)} ({', '.join(known)})"


def _value_words(column: Column, value: object) -> str:
    if column.kind == "level":
        return str(value) if column.label == column.concept else f"{column.label} {value}"
    if column.kind == "yes_no":
        return column.label if float(str(value)) == 1.0 else f"no {column.label}"
    unit = "" if column.unit and column.unit in column.label else f" {column.unit}"
    return f"{column.label} {float(str(value)):g}{unit}".rstrip()
