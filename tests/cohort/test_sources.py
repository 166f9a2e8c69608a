"""No column is made from what is measured after it counts as known."""

from typing import Any

import pytest

from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.cohort.mapping import check_against_protocol
from ketapredict.cohort.mapping_file import mapping_from_plain
from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.errors import LeakageError, MappingError

COURSE = BUILT_IN["induction-course"]
WIDE = {"score_baseline": "pre", "score_24h": "day1", "score_end": "final"}
NUMBER = {"kind": "number", "concept": "sleep", "minimum": 0, "maximum": 60}
POINTS = {"baseline": "b", "24h": "d1", "end": "d14"}
LONG = {"course": [{"course_id": "{id}", "visits": {"label": "v", "score": "total", "points": POINTS}}]}
ITEMS = [f"m{number}" for number in range(1, 11)]
BY_ITEM = {"course": [{"course_id": "{id}", "visits": {"label": "v", "score": {"items": ITEMS}, "points": POINTS}}]}


def check(content: dict[str, Any]) -> None:
    check_against_protocol(mapping_from_plain(content), COURSE)


def extra(known_at: str = "pre", **recipe: object) -> dict[str, Any]:
    return {"extra": {"x": NUMBER | {"known_at": known_at} | recipe}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"columns": WIDE} | extra(**{"from": "final"}),
            "x counts as known at pre .* column final, which is score_end",
        ),
        ({"columns": WIDE} | extra("24h", **{"from": "final"}), "x counts as known at 24h .* known at end"),
        ({"columns": WIDE} | extra(expr="pre - final"), "column final, which is score_end"),
        ({"columns": WIDE} | extra(expr="pre - `day1`"), "column day1, which is score_24h, known at 24h"),
        ({"columns": WIDE} | extra(days_from="pre", to="final"), "column final"),
        ({"columns": WIDE | {"suicidality_item": "day1"}}, "suicidality_item counts as known at pre"),
        ({"columns": WIDE | {"arm": {"from": "final", "levels": {"1": "control"}}}}, "arm counts as known at pre"),
        ({"columns": WIDE | {"cadss_40min": "day1"}}, "score_24h and cadss_40min are both taken from the column day1"),
        ({"columns": WIDE | {"cadss_40min": "cadss"}} | extra(**{"from": "cadss"}), "which is cadss_40min"),
        ({"columns": WIDE | {"score_24h": "final"}}, "score_24h and score_end are both taken from the column final"),
        ({"columns": WIDE | {"score_24h": {"expr": "day1 + final"}}}, "score_24h counts as known at 24h"),
        ({"columns": WIDE | {"score_end": {"items": ITEMS}, "suicidality_item": "m10"}}, "column m10"),
        ({"columns": WIDE | {"score_end": {"expr": "pre + change"}}} | extra(**{"from": "change"}), "column change"),
        ({"columns": {"course_id": "id"}, "same_names": True} | extra(**{"from": "score_end"}), "score_end"),
        ({"columns": {"score_4h": "score_end"}, "same_names": True}, "both taken from the column score_end"),
        ({"columns": {"course_id": "id"}, "course": [{"columns": WIDE}]} | extra(**{"from": "final"}), "final"),
        (
            LONG | extra(**{"from": "total"}),
            r"column total \(the visits' score\), taken without a visit.*Name the visit",
        ),
        (LONG | extra("24h", expr="total * 2"), "taken without a visit"),
        (LONG | {"columns": {"suicidality_item": "total"}}, "suicidality_item counts as known at pre"),
        (BY_ITEM | {"columns": {"suicidality_item": "m10"}}, "column m10"),
        (
            LONG | {"columns": {"score_4h": {"from": "evening", "visit": "4h"}}} | extra(**{"from": "evening"}),
            r"column evening \(score_4h\), taken without a visit",
        ),
        (
            LONG | {"columns": {"score_inf4": "last"}} | extra(**{"from": "last", "visit": "baseline"}),
            "column last, which is score_inf4",
        ),
    ],
)
def test_what_is_measured_later_is_refused(content: dict[str, Any], message: str) -> None:
    with pytest.raises((LeakageError, MappingError), match=message):
        check(content)


@pytest.mark.parametrize(
    "content",
    [
        {"columns": WIDE} | extra(**{"from": "pre"}),
        {"columns": WIDE} | extra("24h", expr="pre - day1"),
        {"columns": WIDE} | extra("end", **{"from": "final"}),
        {"columns": WIDE | {"score_end": {"expr": "pre + change"}, "suicidality_item": "pre"}},
        {"columns": WIDE | {"score_end": {"items": ITEMS}, "suicidality_item": "base10"}},
        {"columns": WIDE | {"course_id": "{id}-{final}", "site": "final"}},
        LONG | extra(**{"from": "total", "visit": "baseline"}),
        LONG | extra("24h", **{"from": "total", "visit": "24h"}),
        LONG | {"columns": {"score_4h": "evening"}} | extra("4h", **{"from": "evening"}),
        BY_ITEM | {"columns": {"suicidality_item": {"from": "m10", "visit": "baseline"}}},
    ],
)
def test_what_is_measured_in_time_is_accepted(content: dict[str, Any]) -> None:
    check(content)


@pytest.mark.parametrize("name", ["score_end", "score_2h", "Score_End", "age_years", "arm", "cadss_40min"])
def test_an_extra_covariate_cannot_take_the_place_of_a_column(name: str) -> None:
    with pytest.raises(MappingError, match=f"the cohort table has a column {name}"):
        mapping_from_plain({"extra": {name: NUMBER | {"known_at": "pre", "from": "x"}}})
    with pytest.raises(LeakageError, match=f"{name} has the name of another column"):
        declared_columns(COURSE, (Column(name, "number", "leak", "leak"),))


def test_an_extra_covariate_is_declared_once() -> None:
    twice = Column("sleep", "number", "sleep", "sleep")
    with pytest.raises(LeakageError, match="sleep has the name of another"):
        declared_columns(COURSE, (twice, twice))
    with pytest.raises(MappingError, match="found it in both"):
        mapping_from_plain({"columns": {"x": "y"}} | extra())
