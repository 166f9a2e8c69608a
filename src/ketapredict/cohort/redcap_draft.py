"""A first mapping for a REDCap export, from the project's data dictionary; a person finishes it.

Names and labels of fields, codes, labels of choices and names of events are printed: none is a patient's value.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ketapredict.cohort.cells import as_text
from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.cohort.draft import LEVEL_PATTERNS, SCALE_PATTERNS, TODO, in_quotes, setting_name
from ketapredict.cohort.headers import looks_like_value
from ketapredict.cohort.protocols import BASELINE, Protocol
from ketapredict.cohort.redcap import (
    DATA_ACCESS_GROUP,
    EVENT,
    REPEAT_FORM,
    REPEAT_NUMBER,
    Field,
    checkbox_column,
    read_dictionary,
)
from ketapredict.cohort.scales import SCALES
from ketapredict.cohort.tables import Table, read_table
from ketapredict.cohort.visits import LABEL_JOINT
from ketapredict.errors import FileError

# What the name or the label of a field says if it is a column of the cohort table, in the order of asking.
_MEANINGS: dict[str, str] = {
    "age_years": r"\bage\b(?!.*(onset|first))",
    "onset_age_years": r"onset|age.*first|first.*age",
    "sex": r"\bsex\b|gender",
    "bmi_kg_m2": r"\bbmi\b|body mass",
    "diagnosis": r"diagnos|\bdx\b",
    "failed_ect": r"\bect\b|electroconvulsive",
    "failed_trials": r"(fail|adequate|unsuccessful).*(trial|antidepress|medication)|(trial|antidepress).*fail",
    "prior_ketamine_response": r"respon.*ketamine|ketamine.*respon",
    "past_ketamine_misuse": r"ketamine.*misuse|misuse.*ketamine",
    "episode_months": r"episode.*(month|length|duration)|(length|duration).*episode",
    "prior_admissions": r"admission|hospitali[sz]ation",
    "suicide_attempts": r"suicid.*attempt|attempt.*suicid",
    "family_history_alcohol": r"family.*alcohol|alcohol.*family",
    "anxious_distress": r"anxious",
    "melancholic_features": r"melanchol",
    "psychotic_features": r"psychotic",
    "mood_stabilizer": r"mood stabili[sz]er|lithium",
    "maoi_or_stimulant": r"maoi|monoamine|stimulant",
    "substance_use": r"substance",
    "benzodiazepine_mg_per_day": r"benzodiazepine",
    "systolic_mmhg": r"systolic",
    "diastolic_mmhg": r"diastolic",
    "suicidality_item": r"suicidal (thought|ideation)",
    "dose_mg_per_kg": r"mg ?(/|per) ?kg",
    "infusions_planned": r"infusions.*planned|planned.*infusions|number of infusions",
    "cadss_40min": r"cadss|dissociati",
}
_LEVELS: dict[str, tuple[tuple[str, str], ...]] = {
    **LEVEL_PATTERNS,
    "sex": (*LEVEL_PATTERNS["sex"], (r"other|divers|non.?binary|intersex", "other")),
    "substance_use": (
        (r"^no\b|none|never", "none"),
        (r"past|former|remission|earlier", "past"),
        (r"curr|activ", "current"),
    ),
    "yes_no": ((r"^(yes|true|present|ja|oui)\b", "yes"), (r"^(no|false|absent|nein|non)\b", "no")),
}
_MISSING = r"unknown|missing|not (done|known|asked|applicable|reported)|refus|declin|prefer not|^n/?a$"
_TOTAL = r"total|\bsum\b|score"
_START = r"(first|1st|start).*infusion|infusion.*\b(1|one)\b.*date|date.*(first|1st).*infusion"


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A column of the export and what its field says of it."""

    column: str
    text: str
    field: Field


def draft_redcap(path: str | Path, dictionary: str | Path, protocol: Protocol) -> str:
    """Write a first mapping for a raw REDCap export (codes, not labels).

    Parameters
    ----------
    path : str or Path
        The export, CSV.
    dictionary : str or Path
        The project's data dictionary, CSV.
    protocol : Protocol
        To whose time points the names of events are compared.

    Returns
    -------
    str
        TOML that `load_mapping` accepts; what a person must decide is marked TODO.

    Raises
    ------
    FileError
        If a file cannot be read, or export and dictionary are of different projects.
    """
    table = read_table(path)
    fields = read_dictionary(dictionary)
    record = fields[0].name
    if record not in table.frame.columns:
        raise FileError(
            f"{table.name}: expected the column {record}, the first field of the data dictionary. Export the raw data "
            "(not the labels) of the same project."
        )
    candidates = [found for found in _candidates(fields[1:]) if found.column in table.frame.columns]
    rated, score = _score(candidates)
    scale = rated or TODO
    form = next((found.field.form for found in candidates if found.column in score), "")
    lines = [
        "# A draft from the data dictionary: check every line and finish those marked TODO.",
        f"title = {in_quotes(TODO)}",
        "",
        "[tables]",
        f"export = {in_quotes(table.name)}",
    ]
    rows = _rows_of_form(table.frame, form)
    labels = [name for name in (EVENT, REPEAT_NUMBER) if name in rows.columns and _varies(rows[name])]
    time, join = _time(table, labels, candidates, form, record)
    if not time and EVENT in rows.columns:
        labels, time = [EVENT], [f"label = {in_quotes(EVENT)}"]
    columns = _column_lines(candidates, score, table, protocol)
    diagnosed = any(line.startswith("diagnosis") for line in columns)
    lines += [*join, "", "[constants]", f"scale = {in_quotes(scale)}" + _todo(f"one of {', '.join(SCALES)}", not rated)]
    if not diagnosed:
        lines.append(f'diagnosis = "{TODO}"  # TODO one of MDD, BD-I, BD-II, BD, or a column')
    lines += ["", "[columns]", f"patient_id = {in_quotes(record)}", *columns]
    lines += ["", "# One block for each course that a patient can have.", "[[course]]", f'course_id = "{{{record}}}"']
    lines += _where(table.frame, form)
    total = in_quotes(score[0]) if len(score) == 1 else f"{{ items = {[*score]} }}".replace("'", '"')
    if time:
        lines += [
            "[course.visits]",
            *time,
            f"score = {total if score else in_quotes(TODO)}",
            *_points(rows, labels, protocol),
        ]
    else:
        lines += [
            "[course.columns]  # TODO the score of each time point",
            f"score_baseline = {total if score else in_quotes(TODO)}",
        ]
        names = ", ".join(f"score_{name}" for name in protocol.names)
        lines.append(f"# {names} = ...")
    return "\n".join(lines) + "\n"


def _candidates(fields: tuple[Field, ...]) -> list[_Candidate]:
    found = []
    for field in fields:
        spoken = field.name.replace("_", " ")
        if field.kind == "checkbox":
            found += [_Candidate(checkbox_column(field.name, code), label, field) for code, label in field.choices]
        else:
            found.append(_Candidate(field.name, f"{spoken} {field.label}", field))
    return found


def _score(candidates: list[_Candidate]) -> tuple[str, tuple[str, ...]]:
    """Return the scale and the column of its total, or those of its items; empty where none is found."""
    for scale, pattern in SCALE_PATTERNS.items():
        named = [found for found in candidates if re.search(pattern, found.text.lower().replace(" ", "_"))]
        totals = [found for found in named if found.field.is_number]
        totals.sort(key=lambda found: (re.search(_TOTAL, found.text.lower()) is None, found.field.kind != "calc"))
        if totals and (re.search(_TOTAL, totals[0].text.lower()) or len(totals) == 1):
            return scale, (totals[0].column,)
        items = [found.column for found in named if re.search(r"\d$", found.column)]
        if items and len(items) == len(SCALES[scale].item_maxima):
            return scale, tuple(items)
    return "", ()


def _score_line(score: tuple[str, ...]) -> str:
    if len(score) < 2:
        return in_quotes(score[0] if score else TODO)
    return f"{{ items = [{', '.join(in_quotes(item) for item in score)}] }}"


def _column_lines(candidates: list[_Candidate], score: tuple[str, ...], table: Table, protocol: Protocol) -> list[str]:
    declared = declared_columns(protocol)
    left = [found for found in candidates if len(score) > 1 or found.column not in score]
    lines = []
    if DATA_ACCESS_GROUP in table.frame.columns:
        lines.append(f'site = "{DATA_ACCESS_GROUP}"')
    for name, pattern in _MEANINGS.items():
        if name not in declared or declared[name].known_at not in ("pre", *protocol.names):
            continue
        match = next(
            (found for found in left if re.search(pattern, found.text.lower()) and _fits(found, declared[name])), None
        )
        if match is None:
            continue
        left.remove(match)
        recipe, doubt = _recipe(match, declared[name])
        told = match.field.label if match.field.kind != "checkbox" else f"{match.field.label}: {match.text}"
        lines.append(f"{name} = {recipe}  # {'TODO ' if doubt else ''}{told}".rstrip())
    kilograms, metres = (
        next((found.column for found in left if re.search(p, found.text.lower())), "") for p in (r"weight", r"height")
    )
    if kilograms and metres and not any(line.startswith("bmi") for line in lines):
        lines.append(f'bmi_kg_m2 = {{ expr = "{kilograms} / ({metres} / 100) ** 2" }}  # TODO kg and cm?')
    return lines


def _fits(found: _Candidate, column: Column) -> bool:
    """Whether the field's type can be that of the column."""
    kind = found.field.kind
    if kind in ("descriptive", "file", "notes", "sql") or found.field.validation.startswith(("date", "time")):
        return False
    if column.kind == "yes_no":
        return kind in ("yesno", "truefalse", "checkbox", "radio", "dropdown")
    if column.kind == "number":
        return found.field.is_number or bool(found.field.choices and kind != "checkbox") or kind == "text"
    return kind in ("radio", "dropdown", "text")


def _recipe(found: _Candidate, column: Column) -> tuple[str, bool]:
    """Return the recipe of a column and whether a person must look at it."""
    field = found.field
    visit = f', visit = "{BASELINE}"' if column.name == "suicidality_item" else ""
    if column.kind == "number" or not field.choices or field.kind == "checkbox":
        plain = f"{{ from = {in_quotes(found.column)}{visit} }}" if visit else in_quotes(found.column)
        return plain, column.kind == "level"
    patterns = _LEVELS.get(column.name, _LEVELS["yes_no"] if column.kind == "yes_no" else ())
    pairs = []
    for code, label in field.choices:
        target = next((to for pattern, to in patterns if re.search(pattern, label.lower())), None)
        if target is None:
            target = "" if re.search(_MISSING, label.lower()) else TODO
        pairs.append(f"{setting_name(code)} = {in_quotes(target)}")
    recipe = f"{{ from = {in_quotes(found.column)}, levels = {{ {', '.join(pairs)} }} }}"
    return recipe, TODO in recipe


def _rows_of_form(frame: pd.DataFrame, form: str) -> pd.DataFrame:
    """Return the rows that may hold a form: its repeats, if it repeats; in any case none of another form's repeats."""
    if REPEAT_FORM not in frame.columns or not form:
        return frame
    repeated = as_text(frame[REPEAT_FORM])
    own = repeated == form
    return frame[own if own.any() else repeated.isna()]


def _where(frame: pd.DataFrame, form: str) -> list[str]:
    """Return the line that leaves out the repeats of other forms, which stand in the events of the ratings."""
    if REPEAT_FORM not in frame.columns or not form:
        return []
    forms = set(as_text(frame[REPEAT_FORM]).dropna())
    if not forms - {form}:
        return []
    own = f' or {REPEAT_FORM} == "{form}"' if form in forms else ""
    return [f"where = '{REPEAT_FORM} is None{own}'  # without the repeats of other forms"]


def _time(
    table: Table, labels: list[str], candidates: list[_Candidate], form: str, record: str
) -> tuple[list[str], list[str]]:
    """Return the lines that say when a visit was, and those of a join that the date of infusion 1 needs."""
    label = in_quotes(labels[0]) if len(labels) == 1 else str(labels).replace("'", '"')
    time = [f"label = {label}"] if labels else []
    of_form = [found for found in candidates if found.field.form == form]
    for setting, pattern in (("hours", r"\bhours?\b"), ("days", r"\bdays?\b")):
        numbers = [found for found in of_form if found.field.is_number and re.search(pattern, found.text.lower())]
        if numbers:
            return [*time, f"{setting} = {in_quotes(numbers[0].column)}  # TODO since the start of infusion 1?"], []
    dates = [found for found in of_form if found.field.validation.startswith("date")]
    starts = [
        found
        for found in candidates
        if found.field.validation.startswith("date") and re.search(_START, found.text.lower())
    ]
    if not dates or not starts:
        return time, []
    first = starts[0].column
    time += [f"date = {in_quotes(dates[0].column)}", f'start = "start.{first}"']
    join = [
        f"start = {in_quotes(table.name)}  # the same file: its rows with the date of infusion 1",
        "",
        "[[join]]",
        'table = "start"',
        f"on = {in_quotes(record)}",
        f"where = '{first} is not None'",
    ]
    return time, join


def _varies(cells: pd.Series) -> bool:
    present = cells.dropna()
    return bool(len(present) and (present != present.iloc[0]).any())


def _points(frame: pd.DataFrame, names: list[str], protocol: Protocol) -> list[str]:
    """Return the lines that say which event, or which repeat of one, is which time point."""
    if not names:
        return []
    cells = frame[names].apply(as_text).drop_duplicates()
    labels = [LABEL_JOINT.join(cell for cell in row if isinstance(cell, str)) for row in cells.itertuples(index=False)]
    points: dict[str, list[str]] = {}
    strange = []
    for label in dict.fromkeys(label for label in labels if label):
        point = _time_point(label, protocol)
        if point is None:
            strange.append(label)
        else:
            points.setdefault(point, []).append(label)
    lines = ["[course.visits.points]  # TODO check: time points of the protocol = labels"]
    for point in (BASELINE, *protocol.names):
        if point in points:
            shown = [in_quotes(label) for label in points[point]]
            lines.append(f"{setting_name(point)} = {shown[0] if len(shown) == 1 else '[' + ', '.join(shown) + ']'}")
    if not points:
        lines.append(f"{BASELINE} = {in_quotes(TODO)}")
    return lines + [f"# <time point> = {in_quotes(label)}" for label in strange if not looks_like_value(label)]


def _time_point(label: str, protocol: Protocol) -> str | None:
    """Guess the time point that the name of an event means."""
    words = re.sub(r"_?arm_\d+", "", label).replace("_", " ").strip().lower()
    if re.search(r"\bbase|screen|\bpre\b|enrol", words):
        return BASELINE
    hours = None
    for pattern, factor in (
        (r"(\d+) ?h(ou)?rs?\b|(\d+) ?h\b", 1.0),
        (r"(\d+) ?min", 1 / 60),
        (r"\bd(?:ay)? ?(\d+)|(\d+) ?d(ays?)?\b", 24.0),
    ):
        found = re.search(pattern, words)
        if found:
            hours = float(next(number for number in found.groups() if number)) * factor
            break
    if hours is not None:
        near = [point for point in protocol.time_points if point.window_hours[0] <= hours <= point.window_hours[1]]
        return min(near, key=lambda point: abs(point.hours - hours)).name if near else None
    infusion = re.search(r"inf(?:usion)? ?(\d+)", words)
    if infusion and f"inf{infusion.group(1)}" in protocol.names:
        return f"inf{infusion.group(1)}"
    return protocol.outcome if re.search(r"\bend\b|final|last|discharge|outcome", words) else None


def _todo(what: str, needed: bool) -> str:
    return f"  # TODO {what}" if needed else ""
