"""So many in ten: never further from the number than half a patient, never narrower than the interval."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketapredict.web.patient.frequencies import between_in_ten, in_ten, outcome_words

shares = st.floats(0.001, 0.999)


@given(shares)
def test_so_many_in_ten_is_the_nearest(probability):
    words = in_ten(probability)
    if words == "fewer than 1 in 10":
        assert probability < 0.05
    elif words == "more than 9 in 10":
        assert probability > 0.95
    else:
        count = int(re.fullmatch(r"about (\d+) in 10", words)[1])
        assert 1 <= count <= 10
        assert abs(count / 10 - probability) <= 0.05 + 1e-9


@given(shares, shares)
def test_the_words_of_an_interval_hold_the_interval(one, other):
    low, high = sorted((one, other))
    words = between_in_ten(low, high)
    numbers = [int(number) / 10 for number in re.findall(r"\d+(?= in 10| and)", words)]
    if words == "fewer than 1 in 10":
        assert high <= 0.1
        return
    if words == "9 in 10 or more":
        assert low >= 0.9
        return
    least = 0.0 if "fewer than 1" in words else min(numbers)
    most = 1.0 if "nearly all" in words else max(numbers)
    assert least <= low + 1e-9
    assert high <= most + 1e-9
    assert least > low - 0.1 - 1e-9
    assert most < high + 0.1 + 1e-9


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.40, 0.80, "between 4 and 8 in 10"),
        (0.14, 0.54, "between 1 and 6 in 10"),
        (0.02, 0.38, "between fewer than 1 and 4 in 10"),
        (0.53, 0.93, "between 5 in 10 and nearly all"),
        (0.01, 0.09, "fewer than 1 in 10"),
        (0.92, 0.99, "9 in 10 or more"),
    ],
)
def test_intervals_as_they_are_read(low, high, words):
    assert between_in_ten(low, high) == words


def test_the_outcome_says_its_rule_and_its_time():
    assert (
        outcome_words("response", "end")
        == "respond (a fall of at least 50% from the baseline) at the end of the course"
    )
    assert "remission" in outcome_words("remission", "7d")
