import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketapredict.cohort.evaluation import evaluate_condition, evaluate_number
from ketapredict.cohort.expressions import parse_expression
from ketapredict.errors import MappingError

FRAME = pd.DataFrame(
    {
        "group": pd.Series(["MDD", "HC", "BP", None], dtype="str"),
        "age": pd.Series(["20", "30", "old", None], dtype="str"),
        "n": [1.0, 2.0, np.nan, 0.0],
        "body weight": pd.Series(["80,5", "70", "60", "50"], dtype="str"),
    }
)


def holds(text: str) -> list[str]:
    truth, _ = evaluate_condition(parse_expression(text), FRAME)
    return ["T" if t else "F" if f else "?" for t, f in zip(truth.true, truth.false, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('group in ["MDD", "BP"]', "TFT?"),
        ('group not in ["MDD", "BP"]', "FTF?"),
        ('group == "MDD"', "TFF?"),
        ('not group == "MDD"', "FTT?"),
        ('"MDD" != group', "FTT?"),
        ("group is None", "FFFT"),
        ("group is not None", "TTTF"),
        ("age >= 25", "FT??"),
        ("20 <= age < 25", "TF??"),
        ("age == 20", "TFF?"),
        ("age == -20", "FFF?"),
        ('age == "old"', "FFT?"),
        ("age in [20, 30]", "TTF?"),
        ("n + 1 == 2", "TF?F"),
        ("age == n", "FF??"),
        ('group == "MDD" or n == 0', "TF?T"),
        ('group == "MDD" and n == 0', "FFF?"),
    ],
)
def test_conditions_with_missing_cells(text: str, expected: str) -> None:
    assert "".join(holds(text)) == expected


def test_text_where_an_order_needs_a_number_is_reported_only_where_it_matters() -> None:
    _, broken = evaluate_condition(parse_expression("age >= 25"), FRAME)
    assert broken["age"].tolist() == [False, False, True, False]
    _, broken = evaluate_condition(parse_expression('group == "BP" or age >= 25'), FRAME)
    assert broken == {}


def test_arithmetic() -> None:
    values, problems = evaluate_number(parse_expression("-(n * 2 - 1) ** 2 / 4"), FRAME)
    np.testing.assert_allclose(values, [-0.25, -2.25, np.nan, -0.25])
    assert problems == {}
    values, problems = evaluate_number(parse_expression("1 / n"), FRAME)
    assert problems[""].tolist() == [False, False, False, True]
    values, problems = evaluate_number(parse_expression("age + 1"), FRAME)
    assert problems["age"].tolist() == [False, False, True, False]
    np.testing.assert_array_equal(values, [21, 31, np.nan, np.nan])
    values, _ = evaluate_number(parse_expression("`body weight` * 2"), FRAME, frozenset({"body weight"}))
    assert values[0] == 161


def test_huge_powers_are_reported_not_computed_for_ever() -> None:
    _, problems = evaluate_number(parse_expression("n + 9 ** 9 ** 9 ** 9"), FRAME)
    assert problems[""].sum() == 3


def test_unknown_columns_are_named_with_those_there_are() -> None:
    with pytest.raises(MappingError, match=r"does not have: weight\. It has: group, age"):
        evaluate_number(parse_expression("weight * 2"), FRAME)


@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=1),
    st.integers(-5, 5),
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    st.sampled_from(["and", "or"]),
)
def test_conditions_agree_with_python(rows: list[tuple[int, int]], cut: int, comparison: str, junction: str) -> None:
    frame = pd.DataFrame(rows, columns=["a", "b"])
    text = f"a {comparison} {cut} {junction} not b + 1 > a * 2"
    truth, _ = evaluate_condition(parse_expression(text), frame)
    expected = [eval(text, {"__builtins__": {}}, {"a": a, "b": b}) for a, b in rows]
    assert truth.true.tolist() == expected
    assert truth.false.tolist() == [not one for one in expected]
