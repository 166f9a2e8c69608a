"""Expressions of a mapping evaluated for all rows of a table at once."""

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import as_number, as_text
from ketapredict.cohort.expressions import (
    ALLOWED_CONDITION,
    Expression,
    check_arithmetic,
    check_condition,
    column_name,
    constant,
    constants,
    refusal,
)
from ketapredict.cohort.headers import listed
from ketapredict.errors import MappingError

_ARITHMETIC: dict[type[ast.operator], Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_ORDER: dict[type[ast.cmpop], Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


@dataclass(frozen=True)
class Truth:
    """Where a condition holds and where it does not; neither where a missing cell leaves it open."""

    true: np.ndarray
    false: np.ndarray

    @property
    def unknown(self) -> np.ndarray:
        """Where it cannot be decided."""
        unknown: np.ndarray = ~(self.true | self.false)
        return unknown


@dataclass
class _Scope:
    frame: pd.DataFrame
    expression: Expression
    decimal_commas: frozenset[str]
    not_numbers: dict[str, np.ndarray] = field(default_factory=dict)

    def number(self, name: str) -> np.ndarray:
        values, invalid = as_number(self.frame[name], decimal_comma=name in self.decimal_commas)
        if invalid.any():
            self.not_numbers[name] = invalid
        return values


def evaluate_condition(
    expression: Expression, frame: pd.DataFrame, decimal_commas: frozenset[str] = frozenset()
) -> tuple[Truth, dict[str, np.ndarray]]:
    """Evaluate a condition for every row.

    Returns
    -------
    truth : Truth
    not_numbers : dict of str to numpy.ndarray of bool
        Per column, rows left open because the cell is present but no number.

    Raises
    ------
    MappingError
        If it is no condition or names a column that the table does not have.
    """
    check_condition(expression)
    scope = _scope(expression, frame, decimal_commas)
    truth = _condition(scope, expression.tree)
    unknown = truth.unknown
    open_cells = {name: invalid & unknown for name, invalid in scope.not_numbers.items()}
    return truth, {name: mask for name, mask in open_cells.items() if mask.any()}


def evaluate_number(
    expression: Expression, frame: pd.DataFrame, decimal_commas: frozenset[str] = frozenset()
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Evaluate arithmetic for every row.

    Returns
    -------
    values : numpy.ndarray of float64
        NaN where a cell is missing or no number, or the result is not finite.
    problems : dict of str to numpy.ndarray of bool
        Per column, rows whose cell is present but no number; under an empty name, rows whose result is
        not finite although all cells are numbers (a division by zero).

    Raises
    ------
    MappingError
        If it is no arithmetic or names a column that the table does not have.
    """
    check_arithmetic(expression)
    scope = _scope(expression, frame, decimal_commas)
    with np.errstate(all="ignore"):
        values = np.broadcast_to(_arithmetic(scope, expression.tree), len(frame)).astype(float)
    finite_cells = np.ones(len(frame), dtype=bool)
    for name in expression.columns:
        finite_cells &= np.isfinite(scope.number(name))
    problems = dict(scope.not_numbers)
    overflow = finite_cells & ~np.isfinite(values)
    if overflow.any():
        problems[""] = overflow
    values[~np.isfinite(values) | ~finite_cells] = np.nan
    return values, problems


def _scope(expression: Expression, frame: pd.DataFrame, decimal_commas: frozenset[str]) -> _Scope:
    unknown = [name for name in expression.columns if name not in frame.columns]
    if unknown:
        raise MappingError(
            f"The expression `{expression.text}` uses columns that the table does not have: "
            f"{', '.join(unknown)}. It has: {listed(frame.columns)}."
        )
    return _Scope(frame, expression, decimal_commas)


def _arithmetic(scope: _Scope, node: ast.expr) -> np.ndarray:
    match node:
        case ast.Name():
            return scope.number(scope.expression.quoted.get(node.id, node.id))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_arithmetic(scope, operand)
        case ast.UnaryOp(operand=operand):
            return _arithmetic(scope, operand)
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](_arithmetic(scope, left), _arithmetic(scope, right))
    return np.full(len(scope.frame), constant(node), dtype=float)


def _condition(scope: _Scope, node: ast.expr) -> Truth:
    match node:
        case ast.BoolOp(op=op, values=values):
            parts = [_condition(scope, value) for value in values]
            true = np.array([part.true for part in parts])
            false = np.array([part.false for part in parts])
            if isinstance(op, ast.And):
                return Truth(true.all(axis=0), false.any(axis=0))
            return Truth(true.any(axis=0), false.all(axis=0))
        case ast.UnaryOp(operand=operand):
            inner = _condition(scope, operand)
            return Truth(inner.false, inner.true)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            truths = [
                _comparison(scope, low, op, high)
                for low, op, high in zip([left, *comparators], ops, comparators, strict=False)
            ]
            return Truth(
                np.array([truth.true for truth in truths]).all(axis=0),
                np.array([truth.false for truth in truths]).any(axis=0),
            )
    raise refusal(scope.expression, ALLOWED_CONDITION)


def _comparison(scope: _Scope, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Truth:
    match op:
        case ast.Is() | ast.IsNot():
            missing = scope.frame[column_name(scope.expression, left)].isna().to_numpy()
            return Truth(missing, ~missing) if isinstance(op, ast.Is) else Truth(~missing, missing)
        case ast.In() | ast.NotIn():
            name = column_name(scope.expression, left) or ""
            truths = [_equals_constant(scope, name, value) for value in constants(right) or []]
            true = np.array([truth.true for truth in truths]).any(axis=0)
            false = np.array([truth.false for truth in truths]).all(axis=0)
            return Truth(true, false) if isinstance(op, ast.In) else Truth(false, true)
        case ast.Eq() | ast.NotEq():
            truth = _equality(scope, left, right)
            return truth if isinstance(op, ast.Eq) else Truth(truth.false, truth.true)
    with np.errstate(all="ignore"):
        low, high = _arithmetic(scope, left), _arithmetic(scope, right)
    known = ~np.isnan(low) & ~np.isnan(high)
    holds = _ORDER[type(op)](low, high)
    return Truth(holds & known, ~holds & known)


def _equality(scope: _Scope, left: ast.expr, right: ast.expr) -> Truth:
    left_name, right_name = column_name(scope.expression, left), column_name(scope.expression, right)
    left_value, right_value = constant(left), constant(right)
    if left_name is not None and right_value is not None:
        return _equals_constant(scope, left_name, right_value)
    if right_name is not None and left_value is not None:
        return _equals_constant(scope, right_name, left_value)
    if left_name is not None and right_name is not None:
        first, second = as_text(scope.frame[left_name]), as_text(scope.frame[right_name])
        known = (first.notna() & second.notna()).to_numpy()
        same = (first == second).to_numpy(dtype=bool)
        return Truth(same & known, ~same & known)
    if isinstance(left_value, str) or isinstance(right_value, str):
        raise refusal(scope.expression, "comparisons of text with a column")
    with np.errstate(all="ignore"):
        low, high = _arithmetic(scope, left), _arithmetic(scope, right)
    known = ~np.isnan(low) & ~np.isnan(high)
    return Truth((low == high) & known, (low != high) & known)


def _equals_constant(scope: _Scope, name: str, value: str | float) -> Truth:
    """Text that is no number differs from every number: a label beside numbers is no defect."""
    cells = scope.frame[name]
    present = cells.notna().to_numpy()
    if isinstance(value, str):
        same = (as_text(cells) == value).fillna(False).to_numpy(dtype=bool)
    else:
        same = as_number(cells, decimal_comma=name in scope.decimal_commas)[0] == value
    return Truth(same & present, ~same & present)
