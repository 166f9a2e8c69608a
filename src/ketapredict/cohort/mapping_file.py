"""Mappings read from TOML: every setting checked, unknown ones refused."""

import math
import re
import tomllib
from collections.abc import Mapping as MappingABC
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from ketapredict.cohort.cells import MISSING_MARKERS
from ketapredict.cohort.columns import CONCEPTS, Column, default_resolution, is_reserved
from ketapredict.cohort.derivations import Derivation, checked_date_format, parse_derivation
from ketapredict.cohort.expressions import Expression, check_condition, parse_expression
from ketapredict.cohort.mapping import CourseBlock, Join, Mapping, Visits
from ketapredict.errors import MappingError

_TOP = (
    "title",
    "source",
    "licence",
    "missing",
    "decimal",
    "same_names",
    "tables",
    "join",
    "constants",
    "columns",
    "course",
    "extra",
)
_COURSE = ("course_id", "arm", "where", "columns", "visits")
_JOIN = ("table", "on", "optional", "where")
_VISIT_TEXTS = ("days", "hours", "study_day", "date", "start", "date_format", "item", "value")
_VISITS = ("label", "baseline", *_VISIT_TEXTS, "score", "points")
_EXTRA_KINDS = ("number", "yes_no", "level")
_DECLARATION = (
    "kind",
    "label",
    "concept",
    "known_at",
    "unit",
    "minimum",
    "maximum",
    "skewed",
    "resolution",
)


def load_mapping(name_or_path: str | Path) -> Mapping:
    """Read a mapping from a TOML file, or one of the project's own by its name (`adam`, `sdtm`, ...).

    Raises
    ------
    MappingError
        If it is neither, the file is no TOML, or a setting is unknown, missing or of the wrong type.
    """
    path = mapping_file(name_or_path)
    try:
        content = tomllib.loads(path.read_text("utf-8-sig"))
    except (FileNotFoundError, IsADirectoryError):
        raise MappingError(
            f"Expected a mapping: a TOML file, or one of {', '.join(own_mappings())}; found no file at {path}."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MappingError(f"{path.name}: expected TOML: {error}.") from None
    return mapping_from_plain(content, path.name)


def mapping_file(name_or_path: str | Path) -> Path | Traversable:
    """Return the file of one of the project's own mappings by its name, or the path that was given."""
    if str(name_or_path) in own_mappings():
        return mapping_folder() / f"{name_or_path}.toml"
    return Path(name_or_path)


def mapping_folder() -> Traversable:
    """Return the folder of the project's mappings and protocols.

    A wheel carries `data/mappings` as package data; a source checkout has it at the top.
    """
    packaged = files("ketapredict") / "public_data" / "mappings"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "data" / "mappings"


def own_mappings() -> tuple[str, ...]:
    """Return the names of the project's own mappings."""
    names = (file.name for file in mapping_folder().iterdir())
    ours = [name for name in names if name.endswith(".toml") and not name.endswith(".protocol.toml")]
    return tuple(sorted(name.removesuffix(".toml") for name in ours))


def own_mapping_text(name: str) -> str:
    """Return the text of one of the project's own mappings, to be copied and adjusted.

    Raises
    ------
    MappingError
        If there is none of that name.
    """
    if name not in own_mappings():
        raise MappingError(f"Expected one of {', '.join(own_mappings())}, whose text is printed; found another name.")
    return (mapping_folder() / f"{name}.toml").read_text("utf-8")


def mapping_from_plain(content: MappingABC[str, Any], name: str = "mapping") -> Mapping:
    """Build a mapping from plain data, the content of a TOML file.

    Raises
    ------
    MappingError
    """
    _refuse_unknown(content, _TOP, name)
    tables = _table(content, "tables", name)
    if not all(isinstance(file, str) and file for file in tables.values()):
        raise MappingError(f'{name}: expected [tables] like sessions = "sessions.csv".')
    columns = {
        column: parse_derivation({"value": value}, f"{name}: [constants] {column}")
        for column, value in _table(content, "constants", name).items()
    }
    for column, value in _table(content, "columns", name).items():
        if column in columns:
            raise MappingError(f"{name}: expected {column} in [constants] or in [columns], found it in both.")
        columns[column] = parse_derivation(value, f"{name}: [columns] {column}")
    extras = []
    for column, value in _table(content, "extra", name).items():
        if column in columns:
            raise MappingError(f"{name}: expected {column} in [columns] or in [extra.{column}], found it in both.")
        declaration, derivation = _extra(column, value, f"{name}: [extra.{column}]")
        extras.append(declaration)
        columns[column] = derivation
    blocks = content.get("course", [{}])
    if not isinstance(blocks, list) or not blocks:
        raise MappingError(f"{name}: expected courses as [[course]], with two brackets.")
    decimal = content.get("decimal")
    if decimal not in {None, ",", "."}:
        raise MappingError(f'{name}: expected decimal = "," or decimal = ".".')
    missing = content.get("missing")
    if missing is not None and not (isinstance(missing, list) and all(isinstance(m, str) for m in missing)):
        raise MappingError(f'{name}: expected missing as a list of texts, like ["n/a", "999"].')
    return Mapping(
        name,
        tuple(tables.items()),
        tuple(_join(join, tables, name) for join in _list(content, "join", name)),
        columns,
        tuple(_course(block, f"{name}: [[course]] {number}") for number, block in enumerate(blocks, 1)),
        tuple(extras),
        MISSING_MARKERS if missing is None else tuple(missing),
        None if decimal is None else decimal == ",",
        _flag(content, "same_names", name),
    )


def _course(block: Any, place: str) -> CourseBlock:
    if not isinstance(block, MappingABC):
        raise MappingError(f"{place}: expected settings below [[course]].")
    _refuse_unknown(block, _COURSE, place)
    columns = {
        column: parse_derivation(value, f"{place}: [course.columns] {column}")
        for column, value in _table(block, "columns", place).items()
    }
    if "course_id" in block:
        columns["course_id"] = parse_derivation(block["course_id"], f"{place}: course_id")
    if "arm" in block:
        arm = block["arm"]
        columns["arm"] = parse_derivation({"value": arm} if isinstance(arm, str) else arm, f"{place}: arm")
    where = _condition(block, "where", place)
    visits = _visits(block["visits"], f"{place}: [course.visits]") if "visits" in block else None
    return CourseBlock(columns, where, visits)


def _visits(value: Any, place: str) -> Visits:
    if not isinstance(value, MappingABC):
        raise MappingError(f"{place}: expected settings like label, days and score.")
    _refuse_unknown(value, _VISITS, place)
    if "score" not in value:
        raise MappingError(f"{place}: expected score, the column of the scale's total (or its items).")
    texts = {key: _text(value, key, place) for key in _VISIT_TEXTS if key in value}
    label_columns = _names(value, "label", place)
    times = [key for key in ("days", "hours", "study_day", "date") if key in texts]
    if len(times) > 1 or ("date" in texts) != ("start" in texts):
        raise MappingError(f"{place}: expected one of days, hours, study_day, or date together with start.")
    if not times and not label_columns:
        raise MappingError(f"{place}: expected label, or one of days, hours, study_day, date with start.")
    if ("item" in texts) != ("value" in texts):
        raise MappingError(f"{place}: expected item and value together.")
    if "date_format" in texts:
        checked_date_format(texts["date_format"], place)
    points = []
    for point, labels in _table(value, "points", place).items():
        for label in labels if isinstance(labels, list) else [labels]:
            if isinstance(label, bool) or not isinstance(label, str | int | float):
                raise MappingError(f"{place}: points: expected a visit label, or a list of them.")
            plain = str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)
            points.append((plain, point))
    names = [label for label, _ in points]
    if len(set(names)) < len(names):
        raise MappingError(f"{place}: points: expected each label once.")
    if bool(label_columns) != bool(points):
        raise MappingError(f"{place}: expected label together with [course.visits.points].")
    score = parse_derivation(value["score"], f"{place}: score")
    if score.visit:
        raise MappingError(f"{place}: score: expected no visit; every visit has its score.")
    return Visits(score, label_columns, tuple(points), _condition(value, "baseline", place), **texts)


def _join(value: Any, tables: MappingABC[str, Any], name: str) -> Join:
    place = f"{name}: [[join]]"
    if not isinstance(value, MappingABC):
        raise MappingError(f"{place}: expected table and on.")
    _refuse_unknown(value, _JOIN, place)
    table = _text(value, "table", place)
    if table not in list(tables)[1:]:
        raise MappingError(f"{place}: expected a table named in [tables] after the first, found {table}.")
    on = value.get("on")
    sides = (on["left"], on["right"]) if isinstance(on, MappingABC) and set(on) == {"left", "right"} else (on, on)
    keys = [tuple(side) if isinstance(side, list) else (side,) for side in sides]
    if len(keys[0]) != len(keys[1]) or not all(isinstance(key, str) and key for side in keys for key in side):
        raise MappingError(f'{place}: expected on = "key column" or on = {{ left = "...", right = "..." }}.')
    return Join(table, keys[0], keys[1], _flag(value, "optional", place), _condition(value, "where", place))


def _extra(name: str, value: Any, place: str) -> tuple[Column, Derivation]:
    if not isinstance(value, MappingABC):
        raise MappingError(f"{place}: expected kind, concept and known_at.")
    missing = [key for key in ("kind", "concept", "known_at") if not isinstance(value.get(key), str)]
    if missing:
        raise MappingError(f"{place}: expected kind, concept and known_at; missing: {', '.join(missing)}.")
    kind = value["kind"]
    if kind not in _EXTRA_KINDS:
        raise MappingError(f"{place}: expected kind out of {', '.join(_EXTRA_KINDS)}.")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", value["concept"]):
        raise MappingError(f"{place}: expected concept out of {', '.join(CONCEPTS)}, or a new one in lower_case.")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise MappingError(f"{place}: expected a name of letters, digits and _.")
    if is_reserved(name):
        raise MappingError(
            f"{place}: the cohort table has a column {name} of its own (score_... is kept for scores). "
            "Expected another name; a column of the cohort table stands under [columns]."
        )
    levels = value.get("levels", [])
    recoded = isinstance(levels, MappingABC)
    names = list(dict.fromkeys(str(level) for level in (levels.values() if recoded else levels) if level != ""))
    if kind == "level" and len(names) < 2:
        raise MappingError(f"{place}: expected at least two levels.")
    settings = {key: item for key, item in value.items() if key not in (*_DECLARATION, "levels")}
    if recoded:
        settings["levels"] = levels
    if not {"from", "expr", "items", "days_from", "value"} & set(settings):
        settings["from"] = name
    derivation = parse_derivation(settings, place)
    bounds = {key: _bound(value, key, place) for key in ("minimum", "maximum", "resolution")}
    low, high = bounds["minimum"], bounds["maximum"]
    if low is not None and high is not None and low >= high:
        raise MappingError(f"{place}: expected minimum below maximum.")
    if bounds["resolution"] is not None and bounds["resolution"] <= 0:
        raise MappingError(f"{place}: expected resolution above 0.")
    skewed = _flag(value, "skewed", place)
    if skewed and (low is None or low < 0):
        raise MappingError(f"{place}: expected minimum of 0 or more for a skewed number.")
    if kind == "number" and not skewed and bounds["resolution"] is None and (low is None or high is None):
        raise MappingError(
            f"{place}: expected minimum and maximum, or resolution (the step to which thresholds are rounded), "
            "for a number."
        )
    step = bounds["resolution"]
    if kind == "number" and step is not None and low is not None and high is not None and 2 * step > high - low:
        raise MappingError(
            f"{place}: expected resolution of at most half of the range, else no threshold fits into it."
        )
    resolution = 1.0
    if kind == "number" and low is not None and high is not None:
        resolution = default_resolution(low, high)
    column = Column(
        name,
        kind,
        str(value.get("label", name.replace("_", " "))),
        value["concept"],
        value["known_at"],
        str(value.get("unit", "")),
        low,
        high,
        tuple(names) if kind == "level" else (),
        skewed=skewed,
        resolution=step or resolution,
    )
    return column, derivation


def _bound(value: MappingABC[str, Any], key: str, place: str) -> float | None:
    bound = value.get(key)
    if bound is None:
        return None
    if isinstance(bound, bool) or not isinstance(bound, int | float) or not math.isfinite(bound):
        raise MappingError(f"{place}: expected {key} as a number.")
    return float(bound)


def _refuse_unknown(value: MappingABC[str, Any], known: tuple[str, ...], place: str) -> None:
    unknown = sorted(set(value) - set(known))
    if unknown:
        raise MappingError(f"{place}: expected {', '.join(known)}; not known: {', '.join(unknown)}.")


def _table(value: MappingABC[str, Any], key: str, place: str) -> dict[str, Any]:
    table = value.get(key, {})
    if not isinstance(table, MappingABC):
        raise MappingError(f"{place}: expected [{key}] as a table of name = value.")
    return dict(table)


def _list(value: MappingABC[str, Any], key: str, place: str) -> list[Any]:
    entries = value.get(key, [])
    if not isinstance(entries, list):
        raise MappingError(f"{place}: expected [[{key}]], with two brackets.")
    return entries


def _text(value: MappingABC[str, Any], key: str, place: str) -> str:
    text = value.get(key)
    if not isinstance(text, str) or not text:
        raise MappingError(f"{place}: expected {key} as text in quotes.")
    return text


def _names(value: MappingABC[str, Any], key: str, place: str) -> tuple[str, ...]:
    """Return a column name, or a list of them, as a tuple; empty where the setting is absent."""
    names = value.get(key, [])
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise MappingError(f"{place}: expected {key} as a column name in quotes, or a list of them.")
    return tuple(names)


def _condition(value: MappingABC[str, Any], key: str, place: str) -> Expression | None:
    if key not in value:
        return None
    try:
        condition = parse_expression(_text(value, key, place))
        check_condition(condition)
    except MappingError as error:
        raise MappingError(f"{place}: {key}: {error}") from None
    return condition


def _flag(value: MappingABC[str, Any], key: str, place: str) -> bool:
    flag = value.get(key, False)
    if not isinstance(flag, bool):
        raise MappingError(f"{place}: expected {key} = true or false.")
    return flag
