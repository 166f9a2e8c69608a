"""How one column of the cohort table is made from the columns of a source table."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import as_days, as_level, as_number, as_text, commas_apart
from ketapredict.cohort.evaluation import evaluate_number
from ketapredict.cohort.expressions import Expression, check_arithmetic, parse_expression
from ketapredict.cohort.headers import listed
from ketapredict.cohort.scales import SCALES, Scale
from ketapredict.errors import MappingError

_WAYS = ("from", "expr", "items", "days_from", "value")
_KEYS = (*_WAYS, "to", "date_format", "levels", "times", "divide", "plus", "visit")
_TEMPLATE_FIELD = re.compile(r"\{([^{}]+)\}")

Constant = str | float | bool


@dataclass(frozen=True, slots=True)
class Derivation:
    """Recipe of one column.

    Exactly one of `source`, `template`, `expression`, `items`, `dates` and `constant` is set.

    Attributes
    ----------
    source : str
        Name of the source column.
    template : str
        Text with `{column}` in it.
    expression : Expression or None
        Arithmetic.
    items : tuple of str
        Columns of the items of the scale, in the order of the form, summed by the scale's rule.
    dates : tuple of str
        Two columns with dates; the days from the first to the second.
    constant : str, float, bool or None
    levels : tuple of (str, str or float or bool)
        Recoding of labels; a label that becomes empty text is missing.
    times, plus : float
        The number is multiplied, then added to.
    date_format : str or None
    visit : str
        Time point (or `baseline`) at whose visit the cell is taken, from a table with one row a visit.
    """

    source: str = ""
    template: str = ""
    expression: Expression | None = None
    items: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    constant: Constant | None = None
    levels: tuple[tuple[str, Constant], ...] = ()
    times: float = 1.0
    plus: float = 0.0
    date_format: str | None = None
    visit: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the source columns that it uses."""
        expression = self.expression.columns if self.expression else ()
        fields = tuple(_TEMPLATE_FIELD.findall(self.template))
        return ((self.source,) if self.source else ()) + fields + expression + self.items + self.dates


@dataclass(frozen=True)
class Problem:
    """Rows whose cell breaks a rule before the cohort's own rules are looked at."""

    rows: np.ndarray
    rule: str
    expected: str


@dataclass(frozen=True)
class Derived:
    """Cells of one column, one per source row."""

    cells: pd.Series
    problems: tuple[Problem, ...] = ()
    decimal_comma: bool = False


def parse_derivation(value: Any, place: str) -> Derivation:
    """Read a column's recipe from a mapping: a column name, a template, or a table of settings.

    Raises
    ------
    MappingError
        If a setting is unknown, missing, of the wrong type, or contradicts another.
    """
    if isinstance(value, str) and value:
        return Derivation(template=value) if _TEMPLATE_FIELD.search(value) else Derivation(source=value)
    if not isinstance(value, Mapping):
        raise MappingError(f'{place}: expected a column name in quotes or {{ from = "..." }}.')
    unknown = sorted(set(value) - set(_KEYS))
    if unknown:
        raise MappingError(f"{place}: expected settings out of {', '.join(_KEYS)}; not known: {', '.join(unknown)}.")
    ways = [way for way in _WAYS if way in value]
    if len(ways) != 1:
        raise MappingError(f"{place}: expected exactly one of {', '.join(_WAYS)}; found {len(ways)}.")
    way = ways[0]
    if "levels" in value and way != "from":
        raise MappingError(f"{place}: expected levels only together with from.")
    if ("to" in value) != (way == "days_from") or ("date_format" in value and way != "days_from"):
        raise MappingError(f"{place}: expected days_from and to together (and date_format only with them).")
    expression = None
    if way == "expr":
        try:
            expression = parse_expression(_string(value, "expr", place))
            check_arithmetic(expression)
        except MappingError as error:
            raise MappingError(f"{place}: {error}") from None
    date_format = None
    if "date_format" in value:
        date_format = checked_date_format(_string(value, "date_format", place), place)
    divide = _number(value, "divide", 1.0, place)
    if divide == 0:
        raise MappingError(f"{place}: expected divide other than 0.")
    return Derivation(
        source=_string(value, "from", place) if way == "from" else "",
        expression=expression,
        items=_strings(value["items"], f"{place}: items") if way == "items" else (),
        dates=(_string(value, "days_from", place), _string(value, "to", place)) if way == "days_from" else (),
        constant=_constant(value["value"], place) if way == "value" else None,
        levels=_levels(value.get("levels", {}), place),
        times=_number(value, "times", 1.0, place) / divide,
        plus=_number(value, "plus", 0.0, place),
        date_format=date_format,
        visit=_string(value, "visit", place) if "visit" in value else "",
    )


def derive(
    derivation: Derivation,
    frame: pd.DataFrame,
    decimal_commas: frozenset[str],
    scales: pd.Series | None = None,
    place: str = "mapping",
) -> Derived:
    """Make the cells of one column.

    Parameters
    ----------
    derivation : Derivation
    frame : pandas.DataFrame
        Source rows.
    decimal_commas : frozenset of str
        Source columns in which `12,5` is a number.
    scales : pandas.Series or None
        Name of the scale of each row; needed for items only.
    place : str
        Where the recipe stands, for messages.

    Raises
    ------
    MappingError
        If a source column does not exist, or the items do not fit the scale.
    """
    absent = [name for name in derivation.columns if name not in frame.columns]
    if absent:
        raise MappingError(f"{place}: the table has no column {', '.join(absent)}. It has: {listed(frame.columns)}.")
    if derivation.source:
        derived = _from_source(derivation, frame, decimal_commas)
    elif derivation.template:
        derived = Derived(_filled(derivation.template, frame))
    elif derivation.expression is not None:
        derived = _from_expression(derivation.expression, frame, decimal_commas)
    elif derivation.items:
        derived = _summed(derivation.items, frame, decimal_commas, scales, place)
    elif derivation.dates:
        derived = _days_between(derivation, frame)
    else:
        return Derived(pd.Series([derivation.constant] * len(frame), index=frame.index))
    if derivation.times == 1.0 and derivation.plus == 0.0:
        return derived
    values, invalid = as_number(derived.cells, decimal_comma=derived.decimal_comma)
    problems = derived.problems
    if invalid.any():
        problems += no_numbers(derived.cells, invalid, "a number", decimal_comma=derived.decimal_comma)
    values = values * derivation.times + derivation.plus
    return Derived(pd.Series(values, index=frame.index), problems)


def _from_source(derivation: Derivation, frame: pd.DataFrame, decimal_commas: frozenset[str]) -> Derived:
    cells = frame[derivation.source]
    if not derivation.levels:
        return Derived(cells, decimal_comma=derivation.source in decimal_commas)
    known: dict[str, Constant] = {}
    for _, target in derivation.levels:
        known.setdefault(str(target).casefold(), target)
    known.update({label.casefold(): target for label, target in derivation.levels})
    exact = dict(derivation.levels)
    codes, labels = pd.factorize(as_text(cells), use_na_sentinel=True)
    targets = [exact.get(label, known.get(str(label).casefold())) for label in labels]
    unmapped = np.array([*(target is None for target in targets), False], dtype=bool)[codes]
    table = np.array([*(None if target == "" else target for target in targets), None], dtype=object)
    recoded = pd.Series(table[codes], index=frame.index)
    if all(target is None or isinstance(target, str) for target in table):
        recoded = recoded.astype("str")
    problems: tuple[Problem, ...] = ()
    if unmapped.any():
        expected = "one of " + ", ".join(label for label, _ in derivation.levels)
        problems = (Problem(unmapped, "level", expected),)
    return Derived(recoded, problems)


def _filled(template: str, frame: pd.DataFrame) -> pd.Series:
    """Fill a template; missing where one of its cells is missing."""
    pieces = _TEMPLATE_FIELD.split(template)
    filled = pd.Series("", index=frame.index, dtype="str")
    for position, piece in enumerate(pieces):
        filled = filled + (as_text(frame[piece]) if position % 2 else piece)
    return filled


def _from_expression(expression: Expression, frame: pd.DataFrame, decimal_commas: frozenset[str]) -> Derived:
    values, not_numbers = evaluate_number(expression, frame, decimal_commas)
    problems: tuple[Problem, ...] = ()
    for name, rows in not_numbers.items():
        if name:
            problems += no_numbers(frame[name], rows, f"a number in {name}", decimal_comma=name in decimal_commas)
        else:
            problems += (Problem(rows, "number", f"a finite result of {expression.text}"),)
    return Derived(pd.Series(values, index=frame.index), problems)


def _summed(
    items: tuple[str, ...],
    frame: pd.DataFrame,
    decimal_commas: frozenset[str],
    scales: pd.Series | None,
    place: str,
) -> Derived:
    if scales is None:
        raise MappingError(f"{place}: items are summed by the rule of the scale; name the scale first.")
    names = list(SCALES)
    positions, _ = as_level(scales, names)
    values = np.empty((len(items), len(frame)))
    problems: list[Problem] = []
    for row, item in enumerate(items):
        values[row], invalid = as_number(frame[item], decimal_comma=item in decimal_commas)
        if invalid.any():
            problems += no_numbers(frame[item], invalid, f"a number in {item}", decimal_comma=item in decimal_commas)
    totals = np.full(len(frame), np.nan)
    for position in np.unique(positions[positions >= 0]):
        scale = SCALES[names[position]]
        if scale.item_maxima and len(scale.item_maxima) != len(items):
            raise MappingError(
                f"{place}: expected the {len(scale.item_maxima)} items of {scale.name} "
                f"in the order of the form, found {len(items)}."
            )
        rows = positions == position
        totals[rows] = _total(scale, values[:, rows])
        for row, item in enumerate(items):
            highest = scale.item_maxima[row] if scale.item_maxima else scale.maximum
            outside = rows & ((values[row] < 0) | (values[row] > highest))
            if outside.any():
                problems.append(Problem(outside, "range", f"an item from 0 to {highest} points in {item}"))
    for problem in problems:
        totals[problem.rows] = np.nan
    return Derived(pd.Series(totals, index=frame.index), tuple(problems))


def _total(scale: Scale, values: np.ndarray) -> np.ndarray:
    """Sum items (n_items, n) to totals (n,); of each group only the highest counts; any missing: missing."""
    grouped = {item for group in scale.item_groups for item in group}
    single = [row for row in range(len(values)) if row + 1 not in grouped]
    total: np.ndarray = values[single].sum(axis=0)
    for group in scale.item_groups:
        total = total + values[[item - 1 for item in group]].max(axis=0)
    return total


def _days_between(derivation: Derivation, frame: pd.DataFrame) -> Derived:
    start, end = derivation.dates
    values = np.zeros(len(frame))
    problems = []
    for name, sign in ((start, -1.0), (end, 1.0)):
        days, invalid = as_days(frame[name], derivation.date_format)
        values += sign * days
        if invalid.any():
            problems.append(Problem(invalid, "date", date_expectation(name, derivation.date_format)))
    return Derived(pd.Series(values, index=frame.index), tuple(problems))


def no_numbers(cells: pd.Series, invalid: np.ndarray, expected: str, *, decimal_comma: bool) -> tuple[Problem, ...]:
    """Return the problems of cells that are no numbers; what is expected may say how decimal commas are read."""
    parts = [(invalid, expected)] if decimal_comma else commas_apart(cells, invalid, expected)
    return tuple(Problem(rows, "number", told) for rows, told in parts)


def checked_date_format(date_format: str, place: str) -> str:
    """Return a date format that can be used; raise MappingError for any other."""
    try:
        pd.to_datetime("x", format=date_format, errors="coerce")
    except ValueError:
        raise MappingError(f"{place}: expected date_format like %d.%m.%Y.") from None
    return date_format


def date_expectation(column: str, date_format: str | None) -> str:
    """What a valid date holds, in words."""
    return f"a date like {date_format or '%Y-%m-%d'} in {column}"


def _string(value: Mapping[str, Any], key: str, place: str) -> str:
    text = value.get(key)
    if not isinstance(text, str) or not text:
        raise MappingError(f"{place}: expected {key} as text in quotes.")
    return text


def _strings(value: Any, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(text, str) and text for text in value):
        raise MappingError(f"{place}: expected a list of column names in quotes.")
    if len(set(value)) < len(value):
        raise MappingError(f"{place}: expected different column names.")
    return tuple(value)


def _number(value: Mapping[str, Any], key: str, default: float, place: str) -> float:
    number = value.get(key, default)
    if isinstance(number, bool) or not isinstance(number, int | float) or not np.isfinite(number):
        raise MappingError(f"{place}: expected {key} as a number.")
    return float(number)


def _constant(value: Any, place: str) -> Constant:
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int | float) and np.isfinite(value):
        return float(value)
    raise MappingError(f"{place}: expected text in quotes, a number, true or false.")


def _levels(value: Any, place: str) -> tuple[tuple[str, Constant], ...]:
    if not isinstance(value, Mapping):
        raise MappingError(f'{place}: expected levels like {{ F = "female", M = "male" }}.')
    return tuple((str(label), _constant(target, f"{place}: levels")) for label, target in value.items())
