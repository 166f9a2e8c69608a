"""The form of one course, generated from the column declarations; what is entered goes through the cohort's rules."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.cohort.protocols import PRE
from ketapredict.cohort.read import cohort_from_cells
from ketapredict.cohort.scales import SCALES
from ketapredict.errors import CohortError
from ketapredict.model.bundle import Bundle
from ketapredict.monitoring import TODAY, monitoring_questions, open_questions
from ketapredict.web.patient.inputs import cell_text, label_of
from ketapredict.web.patient.typed_numbers import COMMA, has_comma

# Concepts by the group of the form under which a clinician looks for them; the rest stands last.
_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Course", ("", "treatment_arm", "rating_scale")),
    ("Depression", ("diagnosis", "severity", "symptom_profile", "illness_history", "treatment_resistance")),
    ("Scores since the first infusion", ("early_improvement", "dissociation")),
    ("Person", ("age", "sex", "body_mass", "family_history")),
    ("Safety", ("suicidality", "blood_pressure")),
    ("Medicines and substances", ("medication", "substance_use", "earlier_ketamine")),
    ("Treatment plan", ("dosing",)),
)
# What is asked here is of before the course, whenever it is entered: what was measured today has its own fields.
_BASELINE_GROUPS = ("Safety", "Medicines and substances")
BEFORE = ", before infusion 1"
AT_THIS_VISIT = "At this visit (for what to watch only; no part of the estimate)"
ASKED = "Asked for monitoring only (no part of the estimate)"
_OTHER = "Further inputs of this model"
_HELP = {
    "course_id": "A name for this course. No part of the estimate; choose one that tells outsiders nothing.",
    "patient_id": "Only to tell courses apart; no part of the estimate.",
    "site": "No part of the estimate.",
}
_EXPECTED = {"course_id": "a name for this course"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form.

    Attributes
    ----------
    column : Column
    label, help : str
        `help` says what is expected: unit, range, levels.
    options : tuple of str
        What can be chosen; empty for a field to type into.
    value : str
        As it was entered, also where it is wrong.
    error : str
        What was expected instead; empty where nothing is wrong.
    is_used : bool
        Whether the model reads it at any landmark.
    highest : int or None
        For a score, the highest total of the course's scale where that is known.
    """

    column: Column
    label: str
    help: str
    options: tuple[str, ...]
    value: str
    error: str
    is_used: bool
    highest: int | None = None

    @property
    def id(self) -> str:
        """Id of the element, for labels and for links from the summary of errors."""
        return f"field-{self.column.name}"

    @property
    def is_number(self) -> bool:
        """Whether a number is typed into it."""
        return self.column.kind in ("number", "score")


@dataclass(frozen=True, slots=True)
class FieldGroup:
    """Fields that belong together."""

    title: str
    fields: tuple[Field, ...]

    def only_inputs(self) -> "FieldGroup":
        """Return the group with the fields that an estimate may rest on, the scale aside."""
        return FieldGroup(self.title, tuple(f for f in self.fields if f.is_used and f.column.name != "scale"))


def form_groups(
    bundle: Bundle,
    entered: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
    landmark: str | None = None,
) -> tuple[FieldGroup, ...]:
    """Return the form for a model, with what was entered and what is wrong with it.

    Parameters
    ----------
    bundle : Bundle
    entered : mapping of str to str
        By column; absent is empty.
    errors : mapping of str to str or None
        By column, from `course_from_entries`.
    landmark : str or None
        The one whose model's inputs count as used; all by default.
    """
    models = [model for model in bundle.landmarks if landmark in (None, model.landmark)]
    used = {name for model in models for name in model.input_columns}
    titles = {concept: title for title, concepts in _GROUPS for concept in concepts}
    groups: dict[str, list[Field]] = {}
    for title in (*(title for title, _ in _GROUPS), _OTHER, ASKED):
        if title == _BASELINE_GROUPS[0]:
            groups[AT_THIS_VISIT] = []
        groups[title] = []
    asked = {question.name for question in monitoring_questions()}
    scale = SCALES.get(entered.get("scale", ""))
    for column in form_columns(bundle).values():
        title = titles.get(column.concept, _OTHER)
        if column.name in asked and not column.concept:
            title = AT_THIS_VISIT if column.name.endswith(TODAY) else ASKED
        groups[title].append(
            Field(
                column,
                label_of(column) + (BEFORE if title in _BASELINE_GROUPS and column.known_at == PRE else ""),
                _help(column, bundle, entered.get("scale", "")),
                _options(column, bundle),
                entered.get(column.name, ""),
                (errors or {}).get(column.name, ""),
                column.name in used or column.name == "scale",
                scale.maximum if scale and column.kind == "score" else None,
            )
        )
    for title, concepts in _GROUPS:
        groups[title].sort(key=lambda field: concepts.index(field.column.concept))
    return tuple(
        FieldGroup(title + (BEFORE if title in _BASELINE_GROUPS else ""), tuple(fields))
        for title, fields in groups.items()
        if fields
    )


def form_columns(bundle: Bundle) -> dict[str, Column]:
    """Return the columns that the form asks for: those of all time points of the protocol, and the questions.

    What is known after the last landmark is in no estimate; the picture and the rules look at it. The arm is asked for
    only where the model was trained on all arms.
    """
    protocol = bundle.protocol
    # A column of a time point that the protocol does not have is known at no landmark.
    known = {PRE, *protocol.names}
    columns = declared_columns(protocol, _extras(bundle))
    return {
        name: column
        for name, column in columns.items()
        if column.known_at in known and (name != "arm" or bundle.with_arm)
    }


def entries_of(course: Cohort, bundle: Bundle) -> dict[str, str]:
    """Return the cells of one course as the form shows them."""
    (row,) = course.courses.plain_rows()
    return {name: cell_text(column, row.get(name)) for name, column in form_columns(bundle).items()}


def course_from_entries(
    bundle: Bundle, entered: Mapping[str, str], fixed: Mapping[str, str] | None = None
) -> tuple[Cohort | None, dict[str, str]]:
    """Validate what was entered by the rules of every cohort.

    Parameters
    ----------
    bundle : Bundle
    entered : mapping of str to str
        By column; what is no column of the form is left out.
    fixed : mapping of str to str or None
        Cells that the form does not ask for, as the arm of a course of the cohort.

    Returns
    -------
    course : Cohort or None
        One course; None where something is wrong.
    errors : dict of str to str
        What was expected, by column; never the value.
    """
    columns = form_columns(bundle)
    cells = dict(fixed or {}) | {name: entered.get(name, "").strip() for name in columns}
    # An empty column and an absent one are the same; what is absent takes no time.
    cells = {name: text for name, text in cells.items() if text or (name in columns and columns[name].required)}
    try:
        given = {name: np.array([text], dtype=object) for name, text in cells.items()}
        cohort = cohort_from_cells(given, 1, bundle.protocol, _extras(bundle))
    except CohortError as error:
        return None, {"scale": str(error)}
    errors: dict[str, str] = {}
    for name, expected in zip(cohort.rejects["column"], cohort.rejects["expected"], strict=True):
        errors.setdefault(str(name), f"Expected {_EXPECTED.get(str(name), expected)}.")
    for name in errors:
        if name in columns and columns[name].kind in ("number", "score") and has_comma(cells.get(name, "")):
            errors[name] = COMMA
    if cells["scale"] not in bundle.scales:
        # What a score may be follows from the scale: first the scale.
        errors = {name: text for name, text in errors.items() if not name.startswith("score_")}
        errors["scale"] = f"Expected a scale of the model: {', '.join(bundle.scales)}."
    return (None, errors) if errors else (cohort, {})


def _extras(bundle: Bundle) -> tuple[Column, ...]:
    return (*bundle.extras, *open_questions(bundle.protocol, bundle.extras))


def _options(column: Column, bundle: Bundle) -> tuple[str, ...]:
    if column.name == "scale":
        return bundle.scales
    return ("yes", "no") if column.kind == "yes_no" else column.levels


def _help(column: Column, bundle: Bundle, scale: str) -> str:
    text = _expected(column, bundle, scale)
    protocol = bundle.protocol
    if protocol.position(column.known_at) > protocol.position(bundle.landmarks[-1].landmark):
        return f"After the last landmark: for the picture and the rules only. {text}".rstrip()
    return text


def _expected(column: Column, bundle: Bundle, scale: str) -> str:
    if column.name in _HELP:
        return _HELP[column.name]
    if column.kind in ("yes_no", "level"):
        return ""
    if column.kind == "score" or column.name.removesuffix(TODAY) == "suicidality_item":
        # Where the patient's scale is known, the others are of no use.
        scales = (scale,) if scale in bundle.scales else bundle.scales
        ranges = ", ".join(_scale_range(column, name) for name in scales)
        first = "A total of the scale" if column.kind == "score" else "The scale's own item on suicidal thoughts"
        return f"{first}: {ranges}." if ranges else f"{first}."
    text = column.expectation
    return f"{text[0].upper()}{text[1:]}."


def _scale_range(column: Column, name: str) -> str:
    scale = SCALES[name]
    highest = scale.maximum if column.kind == "score" else scale.suicidality_maximum
    if highest is None:
        return f"not known for {name}"
    return f"{'above 0, up to' if column.required else '0 to'} {highest} points on {name}"
