import pytest

from ketapredict.cohort.mapping import check_against_protocol
from ketapredict.cohort.mapping_file import mapping_from_plain
from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.errors import MappingError

VISITS = {"label": "v", "score": "s", "points": {"baseline": "b", "24h": "d1"}}
ITEM_AT = {"course": [{"visits": VISITS}]}
EXTRA = {"kind": "number", "concept": "sleep", "known_at": "24h", "minimum": 0, "maximum": 16}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"columns": {"weight": "kg"}}, r"no column weight.*\[extra"),
        ({"course": [{"visits": {**VISITS, "points": {"day 1": "d1"}}}]}, "not known: day 1"),
        ({"columns": {"score_24h": "x"}, "course": [{"visits": VISITS}]}, "found both"),
        (
            {"columns": {"suicidality_item": {"from": "x", "visit": "24h"}}, "course": [{"visits": VISITS}]},
            "not known yet",
        ),
        (ITEM_AT | {"columns": {"suicidality_item": {"from": "x", "visit": "d9"}}}, "found d9"),
        ({"columns": {"suicidality_item": {"from": "x", "visit": "baseline"}}}, "one row a visit"),
        ({"extra": {"x": {**EXTRA, "known_at": "d9"}}}, "known_at out of pre"),
        ({"extra": {"x": {**EXTRA, "visit": "end"}}, "course": [{"visits": VISITS}]}, "not known yet"),
    ],
)
def test_a_mapping_that_does_not_fit_the_protocol_is_refused(content: dict[str, object], message: str) -> None:
    with pytest.raises(MappingError, match=message):
        check_against_protocol(mapping_from_plain(content), BUILT_IN["induction-course"])


def test_a_column_measured_at_its_own_hour_is_accepted() -> None:
    content = {
        "columns": {"cadss_40min": {"from": "c", "visit": "40min"}},
        "extra": {"x": {**EXTRA, "visit": "24h"}},
        "course": [{"visits": VISITS}],
    }
    assert "x" in check_against_protocol(mapping_from_plain(content), BUILT_IN["induction-course"])
