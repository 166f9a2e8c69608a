"""Conditions and arithmetic over the columns of a table, as a mapping writes them.

`group in ["MDD", "BP"] and age >= 18` or `weight_kg / height_m ** 2`: a small part of Python's syntax,
parsed and checked piece by piece; nothing is ever executed. Columns whose names are no identifiers
stand in backquotes. A comparison with a missing cell is neither true nor false, as in SQL;
`x is None` asks whether a cell is missing.
"""

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass

from ketapredict.errors import MappingError

_QUOTED_OR_BACKQUOTED = re.compile(r"(\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*')|`([^`]*)`")
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
ALLOWED_CONDITION = "and, or, not, ==, !=, <, <=, >, >=, in [...], not in [...], is None, is not None"
_ALLOWED_ARITHMETIC = "column names, numbers, + - * / ** and parentheses"
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression.

    Attributes
    ----------
    text : str
        As it stands in the mapping.
    tree : ast.expr
    quoted : dict of str to str
        Placeholder to name of the columns in backquotes.
    columns : tuple of str
        Names of the columns it uses.
    """

    text: str
    tree: ast.expr
    quoted: dict[str, str]
    columns: tuple[str, ...]


def parse_expression(text: str) -> Expression:
    """Parse an expression.

    Raises
    ------
    MappingError
        If it is no expression at all. What it may hold is checked where it is used.
    """
    quoted: dict[str, str] = {}

    def replace(match: re.Match[str]) -> str:
        if match.group(2) is None:
            return match.group(0)
        placeholder = f"_backquoted_{len(quoted)}"
        quoted[placeholder] = match.group(2).strip()
        return placeholder

    if len(text) > _LONGEST:
        raise MappingError(f"Expected an expression of at most {_LONGEST} characters, found {len(text)}.")
    source = _QUOTED_OR_BACKQUOTED.sub(replace, text.strip())
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise MappingError(
            f"The expression `{text}` cannot be read. Expected a condition ({ALLOWED_CONDITION}) "
            f"or arithmetic ({_ALLOWED_ARITHMETIC}); names with spaces or signs stand in backquotes."
        ) from None
    try:
        names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    except RecursionError:
        raise MappingError("An expression is nested too deeply.") from None
    return Expression(text, tree, quoted, tuple(dict.fromkeys(quoted.get(name, name) for name in names)))


def check_condition(expression: Expression) -> None:
    """Raise MappingError unless the expression is a condition."""
    _walk(expression, lambda: _check_condition(expression, expression.tree))


def check_arithmetic(expression: Expression) -> None:
    """Raise MappingError unless the expression is arithmetic."""
    _walk(expression, lambda: _check_arithmetic(expression, expression.tree))


def column_name(expression: Expression, node: ast.expr) -> str | None:
    """Return the name of the column that a node is, None for anything else."""
    return expression.quoted.get(node.id, node.id) if isinstance(node, ast.Name) else None


def constant(node: ast.expr) -> str | float | None:
    """Return the text or number of a constant (with its sign), None for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = constant(node.operand)
        if isinstance(value, float):
            return -value if isinstance(node.op, ast.USub) else value
        return None
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            return node.value
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            try:
                return float(node.value)
            except OverflowError:
                return None
    return None


def constants(node: ast.expr) -> list[str | float] | None:
    """Return the texts and numbers of a list, None for anything else."""
    if not isinstance(node, ast.List | ast.Tuple) or not node.elts:
        return None
    values = [constant(element) for element in node.elts]
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None


def refusal(expression: Expression, allowed: str) -> MappingError:
    """Return the error for an expression that holds what is not allowed."""
    return MappingError(f"The expression `{expression.text}` holds what is not allowed. Expected only {allowed}.")


def _walk(expression: Expression, check: Callable[[], None]) -> None:
    try:
        check()
    except RecursionError:
        raise MappingError(f"The expression `{expression.text[:60]}...` is nested too deeply.") from None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _check_condition(expression: Expression, node: ast.expr) -> None:
    match node:
        case ast.BoolOp(values=values):
            for value in values:
                _check_condition(expression, value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            _check_condition(expression, operand)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            for low, op, high in zip([left, *comparators], ops, comparators, strict=False):
                _check_comparison(expression, low, op, high)
        case _:
            raise refusal(expression, ALLOWED_CONDITION)


def _check_comparison(expression: Expression, left: ast.expr, op: ast.cmpop, right: ast.expr) -> None:
    match op:
        case ast.Is() | ast.IsNot():
            allowed = column_name(expression, left) is not None and _is_none(right)
        case ast.In() | ast.NotIn():
            allowed = column_name(expression, left) is not None and constants(right) is not None
        case ast.Eq() | ast.NotEq():
            allowed = True
            for side in (left, right):
                if not isinstance(constant(side), str):
                    _check_arithmetic(expression, side)
        case _:
            allowed = True
            for side in (left, right):
                _check_arithmetic(expression, side)
    if not allowed:
        raise refusal(expression, ALLOWED_CONDITION)


def _check_arithmetic(expression: Expression, node: ast.expr) -> None:
    match node:
        case ast.Name():
            return
        case ast.Constant() if isinstance(constant(node), float):
            return
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            _check_arithmetic(expression, operand)
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _OPERATORS):
            _check_arithmetic(expression, left)
            _check_arithmetic(expression, right)
        case _:
            raise refusal(expression, _ALLOWED_ARITHMETIC)
