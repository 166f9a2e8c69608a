import numpy as np
import pandas as pd
import pytest

from ketapredict.cohort.derivations import derive, parse_derivation
from ketapredict.errors import MappingError

NONE: frozenset[str] = frozenset()


def test_levels_are_recoded_and_strange_labels_reported() -> None:
    frame = pd.DataFrame({"sex": pd.Series(["F", "m", "female", "?", None, "U"], dtype="str")})
    recipe = parse_derivation({"from": "sex", "levels": {"F": "female", "M": "male", "U": ""}}, "sex")
    derived = derive(recipe, frame, NONE)
    assert derived.cells[:3].tolist() == ["female", "male", "female"]
    assert derived.cells[3:].isna().all()
    (problem,) = derived.problems
    assert problem.rule == "level"
    assert problem.expected == "one of F, M, U"
    assert problem.rows.tolist() == [False, False, False, True, False, False]


def test_codes_that_are_not_mapped_are_not_taken_for_yes_or_no() -> None:
    recipe = parse_derivation({"from": "x", "levels": {"1": "yes", "2": "no"}}, "x")
    derived = derive(recipe, pd.DataFrame({"x": [1.0, 2.0, 0.0]}), NONE)
    assert derived.problems[0].rows.tolist() == [False, False, True]


def test_units_and_expressions() -> None:
    frame = pd.DataFrame({"mg": ["1", "0,5", "x"], "kg": ["80", "70", "60"], "m": ["2", "0", None]}, dtype="str")
    derived = derive(parse_derivation({"from": "mg", "times": 10, "plus": 1}, "mg"), frame, frozenset({"mg"}))
    np.testing.assert_array_equal(derived.cells, [11, 6, np.nan])
    assert derived.problems[0].rule == "number"
    derived = derive(parse_derivation({"expr": "kg / m ** 2"}, "bmi"), frame, NONE)
    np.testing.assert_array_equal(derived.cells, [20, np.nan, np.nan])
    assert derived.problems[0].rows.tolist() == [False, True, False]


def test_days_between_dates() -> None:
    frame = pd.DataFrame({"a": ["01.01.2024", "x", None], "b": ["31.01.2024"] * 3}, dtype="str")
    recipe = parse_derivation({"days_from": "a", "to": "b", "date_format": "%d.%m.%Y", "divide": 10}, "months")
    derived = derive(recipe, frame, NONE)
    np.testing.assert_array_equal(derived.cells, [3, np.nan, np.nan])
    assert derived.problems[0].rule == "date"
    assert derived.problems[0].rows.tolist() == [False, True, False]


def test_templates() -> None:
    frame = pd.DataFrame({"id": [1.0, 2.0, np.nan], "visit no": ["a", "b", "c"]})
    cells = derive(parse_derivation("{id}-{visit no}-k", "course_id"), frame, NONE).cells
    assert cells.tolist()[:2] == ["1-a-k", "2-b-k"]
    assert cells.isna().tolist() == [False, False, True]


def items(values: dict[int, float], count: int) -> pd.DataFrame:
    return pd.DataFrame({f"i{number}": [values.get(number, 1.0)] for number in range(1, count + 1)})


def total(frame: pd.DataFrame, scale: str) -> tuple[float, int]:
    recipe = parse_derivation({"items": list(frame.columns)}, "score")
    derived = derive(recipe, frame, NONE, pd.Series([scale] * len(frame)))
    return float(derived.cells[0]), len(derived.problems)


def test_items_are_summed_by_the_rule_of_the_scale() -> None:
    assert total(items({}, 10), "MADRS") == (10, 0)
    # QIDS: sleep (1-4), appetite and weight (6-9), psychomotor (15, 16) count once each.
    assert total(items({2: 3, 9: 2, 16: 0}, 16), "QIDS-SR16") == (9 + 2 + 1, 0)
    assert total(items({12: 3}, 30), "IDS-SR30") == (28 + 2, 0)


def test_items_missing_or_out_of_bounds_leave_no_total() -> None:
    missing = total(items({3: np.nan}, 10), "MADRS")
    assert np.isnan(missing[0])
    assert missing[1] == 0
    outside = total(items({3: 7}, 10), "MADRS")
    assert np.isnan(outside[0])
    assert outside[1] == 1
    assert total(items({4: 3}, 17), "HAMD-17")[1] == 1


def test_items_must_fit_the_scale() -> None:
    with pytest.raises(MappingError, match="expected the 10 items of MADRS"):
        total(items({}, 9), "MADRS")


@pytest.mark.parametrize(
    "value",
    [
        3,
        {},
        {"from": "a", "expr": "b"},
        {"from": "a", "strange": 1},
        {"expr": "a", "levels": {}},
        {"days_from": "a"},
        {"from": "a", "to": "b"},
        {"from": "a", "divide": 0},
        {"days_from": "a", "to": "b", "date_format": "%Q"},
        {"from": "a", "times": "two"},
        {"items": "a"},
        {"items": ["a", "a"]},
        {"from": ""},
        {"from": "a", "levels": ["F"]},
        {"value": [1]},
        {"expr": "a == 1"},
    ],
)
def test_recipes_that_cannot_be_used(value: object) -> None:
    with pytest.raises(MappingError, match="here"):
        parse_derivation(value, "here")


def test_absent_columns_are_named_with_those_there_are() -> None:
    with pytest.raises(MappingError, match=r"no column b\. It has: a"):
        derive(parse_derivation("b", "sex"), pd.DataFrame({"a": [1]}), NONE, place="sex")
