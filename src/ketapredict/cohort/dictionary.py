"""The data dictionary: every column, scale and protocol in words, from their declarations.

`python -m ketapredict.cohort.dictionary data/` writes `dictionary.csv` (the columns) and `dictionary.md`
(columns, concepts, scales, protocols).
"""

import sys
from pathlib import Path

import pandas as pd

from ketapredict.cohort.columns import CONCEPTS, Column, declared_columns
from ketapredict.cohort.outcomes import RESPONSE_FALL
from ketapredict.cohort.protocols import BASELINE, BUILT_IN, HOURS_PER_DAY, PRE, Protocol
from ketapredict.cohort.scales import (
    RECALL_REFUSED_BEFORE_HOURS,
    RECALL_WARNED_BEFORE_HOURS,
    SCALES,
    Scale,
)
from ketapredict.errors import FileError

COLUMNS_FILE, DICTIONARY_FILE = "dictionary.csv", "dictionary.md"
UNCONFIRMED = "†"

_ATTRIBUTES = {
    "maximum": "highest total",
    "recall_days": "days looked back over",
    "bands": "bands",
    "remission_cut": "remission cut",
    "item_maxima": "highest value of each item",
    "item_groups": "items of which only the highest counts",
    "suicidality_item": "number of the suicidality item",
}
_KINDS = {
    "text": "any text",
    "number": "a number",
    "yes_no": "yes or no",
    "level": "one of the words listed",
    "score": "a total of the course's own scale, in points",
}


def column_table() -> pd.DataFrame:
    """Return the columns of the cohort table under the built-in protocols, one row each.

    Returns
    -------
    pandas.DataFrame
        All texts: `name`, `kind`, `unit`, `minimum`, `maximum` (empty: no bound; for a score the scale's own),
        `levels` (separated by `|`), `required` (yes, no), `concept`, `known_at`, `label`, `protocols` (`all`, or the
        names of those that have the column, separated by `|`).
    """
    rows = []
    for column, protocols in _columns():
        rows.append(
            {
                "name": column.name,
                "kind": column.kind,
                "unit": column.unit,
                "minimum": _bound(column.minimum),
                "maximum": _bound(column.maximum),
                "levels": "|".join(column.levels),
                "required": "yes" if column.required else "no",
                "concept": column.concept,
                "known_at": column.known_at,
                "label": column.label,
                "protocols": "all" if len(protocols) == len(BUILT_IN) else "|".join(protocols),
            }
        )
    return pd.DataFrame(rows, dtype="str")


def dictionary_text() -> str:
    """Return the whole dictionary as Markdown."""
    parts = [
        "# Data dictionary",
        "Generated from the declarations by `make data`; do not edit. The columns as a table: "
        f"[{COLUMNS_FILE}]({COLUMNS_FILE}).",
        "## Columns of the cohort table",
        "One row per course. Columns that are not required may be left out; single cells may be empty. "
        "Other columns are refused unless a mapping declares them ([how](mappings/README.md)). A course that breaks a "
        "rule is rejected, alone. *Known at* is the moment from which on a model may use the column: `pre` is before "
        "infusion 1, the others are time points of the protocol. *Concept* is what contributions are summed under; "
        "a column without one enters no model.",
        _table(["kind", "a cell holds"], [[f"`{kind}`", words] for kind, words in _KINDS.items()]),
        _table(
            ["column", "what it is", "kind", "unit", "range or levels", "required", "concept", "known at"],
            [
                [
                    f"`{column.name}`",
                    column.label + _only_in(protocols),
                    column.kind,
                    column.unit,
                    _range(column),
                    "yes" if column.required else "",
                    column.concept,
                    f"`{column.known_at}`",
                ]
                for column, protocols in _columns()
            ],
        ),
        "### Concepts",
        _table(
            ["concept", "in words", "columns"],
            [[f"`{concept}`", words, _columns_of(concept)] for concept, words in CONCEPTS.items()],
        ),
        "## Scales",
        f"{UNCONFIRMED} no source read for this project confirms the figure.",
        _table(
            ["scale", "range", "rated by", "looks back", "bands", "remission at or under", "suicidality item"],
            [_scale_row(scale) for scale in SCALES.values()],
        ),
        _recall_rule(),
        _table(
            ["scale", "source", "unconfirmed"],
            [
                [scale.name, scale.source, ", ".join(_ATTRIBUTES[name] for name in scale.unconfirmed)]
                for scale in SCALES.values()
            ],
        ),
        "## Protocols",
        "Hours are counted from the start of infusion 1. Other schedules are TOML files "
        "([examples](mappings/README.md)); their score columns are `score_<time point>`.",
    ]
    for protocol in BUILT_IN.values():
        parts.extend(_protocol_section(protocol))
    return "\n\n".join(parts) + "\n"


def write_dictionary(folder: str | Path) -> tuple[Path, Path]:
    """Write `dictionary.csv` and `dictionary.md` into a folder and return their paths.

    Raises
    ------
    FileError
        If the folder cannot be written to.
    """
    columns, dictionary = Path(folder) / COLUMNS_FILE, Path(folder) / DICTIONARY_FILE
    try:
        columns.write_text(column_table().to_csv(index=False, lineterminator="\n"), "utf-8", newline="\n")
        dictionary.write_text(dictionary_text(), "utf-8", newline="\n")
    except OSError as error:
        raise FileError(f"Expected a folder to write the dictionary to; {folder}: {error.strerror}.") from None
    return columns, dictionary


def _columns() -> list[tuple[Column, tuple[str, ...]]]:
    """Return the columns of all built-in protocols with the names of the protocols, scores in the order of hours."""
    found: dict[str, Column] = {}
    protocols: dict[str, list[str]] = {}
    hours: dict[str, float] = {}
    for protocol in BUILT_IN.values():
        for name, column in declared_columns(protocol).items():
            if found.setdefault(name, column) != column:
                raise ValueError(f"built-in protocols declare {name} differently")
            protocols.setdefault(name, []).append(protocol.name)
        for point in protocol.time_points:
            if hours.setdefault(f"score_{point.name}", point.hours) != point.hours:
                raise ValueError(f"built-in protocols have {point.name} at different hours")
    names = sorted(found, key=lambda name: hours.get(name, -1.0))
    return [(found[name], tuple(protocols[name])) for name in names]


def _only_in(protocols: tuple[str, ...]) -> str:
    return "" if len(protocols) == len(BUILT_IN) else f" ({', '.join(protocols)})"


def _columns_of(concept: str) -> str:
    return ", ".join(f"`{column.name}`" for column, _ in _columns() if column.concept == concept)


def _bound(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _range(column: Column) -> str:
    if column.kind == "level":
        return ", ".join(f"`{level}`" for level in column.levels)
    if column.kind == "score":
        return "above 0, up to the scale's highest" if column.required else "0 to the scale's highest"
    if column.name == "suicidality_item":
        return "0 to the highest of the scale's own item"
    if column.minimum is None and column.maximum is None:
        return ""
    if column.maximum is None:
        return f"{_bound(column.minimum)} or more"
    return f"{_bound(column.minimum)} to {_bound(column.maximum)}"


def _scale_row(scale: Scale) -> list[str]:
    def marked(text: str, *attributes: str) -> str:
        return f"{text} {UNCONFIRMED}" if text and set(attributes) & set(scale.unconfirmed) else text

    lowest = [0, *(highest + 1 for _, highest in scale.bands)]
    bands = ", ".join(f"{name} {low}-{highest}" for low, (name, highest) in zip(lowest, scale.bands, strict=False))
    item = ""
    if scale.suicidality_item is not None:
        item = f"item {scale.suicidality_item}"
        if scale.suicidality_maximum is not None:
            item += f", 0 to {scale.suicidality_maximum}"
    return [
        f"`{scale.name}`",
        marked(f"0 to {scale.maximum}", "maximum"),
        "clinician" if scale.rater == "clinician" else "patient",
        marked(f"{scale.recall_days} days", "recall_days"),
        marked(bands, "bands") or "not known",
        marked("" if scale.remission_cut is None else str(scale.remission_cut), "remission_cut") or "not known",
        marked(item, "suicidality_item", "item_maxima") or "not known",
    ]


def _recall_rule() -> str:
    names = ", ".join(f"`{scale.name}`" for scale in SCALES.values() if scale.looks_back_too_far_for_hours)
    return (
        f"Self-ratings that look back over a week or more ({names}) say little about hours: a score before "
        f"{RECALL_REFUSED_BEFORE_HOURS:g} h rejects the course, one before {RECALL_WARNED_BEFORE_HOURS:g} h is "
        f"accepted with a warning, and the outcome cannot be before {RECALL_WARNED_BEFORE_HOURS:g} h. Response is "
        f"a fall of {RESPONSE_FALL:.0%} or more from the baseline, on the scale itself, never after conversion."
    )


def _protocol_section(protocol: Protocol) -> list[str]:
    rows = [
        [
            f"`{point.name}`",
            f"`score_{point.name}`",
            f"{point.hours:g}",
            f"{point.hours / HOURS_PER_DAY:.2g}",
            f"{point.window_hours[0]:g} to {point.window_hours[1]:g}",
            _role(protocol, point.name),
        ]
        for point in protocol.time_points
    ]
    before = [f"`{PRE}`", f"`score_{BASELINE}`", "", "", "", _role(protocol, PRE)]
    return [
        f"### `{protocol.name}`",
        f"Arms: `{protocol.active_treatment}` (also where the column is left out or a cell is empty), `control`.",
        _table(["time point", "column", "hours", "days", "window in hours", "serves as"], [before, *rows]),
    ]


def _role(protocol: Protocol, moment: str) -> str:
    if moment == protocol.outcome:
        return "outcome"
    return "landmark" if moment in protocol.landmarks else ""


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def main(arguments: list[str]) -> None:
    """Write the dictionary into the folder that is named."""
    if len(arguments) != 1:
        sys.exit("Expected one folder: python -m ketapredict.cohort.dictionary data/")
    try:
        write_dictionary(arguments[0])
    except FileError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
