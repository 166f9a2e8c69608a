import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketapredict.cohort.expressions import check_arithmetic, check_condition, parse_expression
from ketapredict.errors import MappingError


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')",
        "a.b == 1",
        "a[0] == 1",
        "(lambda: 1) == 1",
        "a",
        "a + 1",
        "a == b if c else d",
        "a in b",
        "a in []",
        "f'{a}' == 'x'",
        "a == [1]",
        "[x for x in a] == 1",
        "a is 1",
        "a < 'x'",
        "True",
        "a := 1",
        "a ==",
        "",
        "a & b",
        "not a",
    ],
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(MappingError):
        check_condition(parse_expression(text))


@pytest.mark.parametrize("text", ["a == 1", "'x'", "abs(a)", "a // 2", "a and b", "a if b else c", "a % 2", "1j * a"])
def test_what_is_no_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(MappingError):
        check_arithmetic(parse_expression(text))


def test_names_in_backquotes_and_quotes() -> None:
    expression = parse_expression("`body weight (kg)` > 3 and note == 'a `quoted` b'")
    assert expression.columns == ("note", "body weight (kg)") or expression.columns == ("body weight (kg)", "note")


@pytest.mark.parametrize("text", ["(" * 500 + "a" + ")" * 500, "-" * 1900 + "a", "a" * 3000])
def test_monstrous_expressions_end_in_one_message(text: str) -> None:
    with pytest.raises(MappingError):
        check_condition(parse_expression(text))


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        expression = parse_expression(text)
        check_condition(expression)
    except MappingError:
        pass
