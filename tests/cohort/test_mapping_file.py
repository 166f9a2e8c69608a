import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from ketapredict.cohort.mapping import check_against_protocol
from ketapredict.cohort.mapping_file import load_mapping, mapping_from_plain
from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.errors import MappingError

VISITS = {"label": "v", "score": "s", "points": {"baseline": "b"}}
EXTRA = {"kind": "yes_no", "concept": "symptom_profile", "known_at": "pre"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"colums": {}}, "not known: colums"),
        ({"course": [{"were": "a == 1"}]}, "not known: were"),
        ({"course": {"course_id": "a"}}, "two brackets"),
        ({"columns": {"sex": {"form": "x"}}}, "not known: form"),
        ({"columns": {"scale": "s"}, "constants": {"scale": "MADRS"}}, "in both"),
        ({"tables": {"a": 1}}, "tables"),
        ({"tables": {"a": "a.csv"}, "join": [{"table": "b", "on": "id"}]}, "found b"),
        ({"tables": {"a": "a.csv", "b": "b.csv"}, "join": [{"table": "b"}]}, "key column"),
        ({"decimal": ";"}, "decimal"),
        ({"missing": "NA"}, "missing"),
        ({"same_names": "yes"}, "same_names"),
        ({"course": [{"where": "a +"}]}, "cannot be read"),
        ({"course": [{"where": "a + 1"}]}, "not allowed"),
        ({"course": [{"visits": {**VISITS, "lable": "v"}}]}, "not known: lable"),
        ({"course": [{"visits": {"label": "v", "score": "s"}}]}, "together with"),
        ({"course": [{"visits": {"score": "s"}}]}, "expected label, or one of"),
        ({"course": [{"visits": {"label": "v", "points": {"baseline": "b"}}}]}, "expected score"),
        ({"course": [{"visits": {"days": "d", "hours": "h", "score": "s"}}]}, "one of days, hours"),
        ({"course": [{"visits": {"date": "d", "score": "s"}}]}, "date together with start"),
        ({"course": [{"visits": {**VISITS, "points": {"a": "b", "c": ["b"]}}}]}, "each label once"),
        ({"extra": {"x": {"kind": "yes_no"}}}, "missing: concept, known_at"),
        ({"extra": {"x": {**EXTRA, "kind": "text"}}}, "kind out of"),
        ({"extra": {"x": {**EXTRA, "concept": "Two Words"}}}, "lower_case"),
        ({"extra": {"x": {**EXTRA, "kind": "level"}}}, "two levels"),
        ({"extra": {"x": {**EXTRA, "minimum": 3, "maximum": 1}}}, "minimum below maximum"),
        ({"extra": {"x": {**EXTRA, "strange": 1}}}, "not known: strange"),
        ({"extra": {"x": {**EXTRA, "kind": "number"}}}, "minimum and maximum, or resolution"),
        ({"extra": {"x": {**EXTRA, "kind": "number", "minimum": 0}}}, "minimum and maximum, or resolution"),
        (
            {"extra": {"x": {**EXTRA, "kind": "number", "minimum": 0, "maximum": 1, "resolution": 1}}},
            "half of the range",
        ),
        ({"extra": {"x": {**EXTRA, "kind": "number", "minimum": float("-inf"), "maximum": 1}}}, "minimum as a number"),
    ],
)
def test_what_is_wrong_is_said(content: dict[str, object], message: str) -> None:
    with pytest.raises(MappingError, match=message):
        mapping_from_plain(content)


def test_extra_levels_may_recode() -> None:
    extra = {**EXTRA, "kind": "level", "from": "t", "levels": {"1": "early", "2": "late", "3": "late", "9": ""}}
    mapping = mapping_from_plain({"extra": {"onset": extra}})
    assert mapping.extras[0].levels == ("early", "late")
    assert mapping.extras[0].label == "onset"
    assert dict(mapping.columns["onset"].levels)["3"] == "late"


@pytest.mark.parametrize(
    ("settings", "resolution"),
    [
        ({"minimum": 0, "maximum": 1}, 0.01),
        ({"minimum": 0, "maximum": 16}, 0.2),
        ({"minimum": 10, "maximum": 80}, 0.5),
        ({"minimum": 0, "maximum": 4000}, 50),
        ({"minimum": 0, "maximum": 1, "resolution": 0.25}, 0.25),
        ({"resolution": 3}, 3),
        ({"minimum": 0, "skewed": True}, 1),
    ],
)
def test_the_step_of_thresholds_follows_from_the_range(settings: dict[str, object], resolution: float) -> None:
    mapping = mapping_from_plain({"extra": {"x": EXTRA | {"kind": "number"} | settings}})
    assert mapping.extras[0].resolution == resolution


def test_numbers_as_labels() -> None:
    visits = {**VISITS, "points": {"baseline": 0, "w1": [1, 1.5], "w2": 2.0}}
    mapping = mapping_from_plain({"course": [{"visits": visits}]})
    assert mapping.courses[0].visits is not None
    assert mapping.courses[0].visits.points == (("0", "baseline"), ("1", "w1"), ("1.5", "w1"), ("2", "w2"))


def test_files_that_are_no_mapping(write: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="expected TOML"):
        load_mapping(write("a = ", "m.toml"))
    with pytest.raises(MappingError, match="found no file"):
        load_mapping(tmp_path / "none.toml")


def test_the_mappings_of_the_project_load(mappings: Path) -> None:
    for path in mappings.glob("*.toml"):
        if not path.name.endswith(".protocol.toml"):
            assert load_mapping(path).courses


def test_the_example_of_the_manual_loads_and_shows_every_setting(mappings: Path) -> None:
    manual = (mappings / "README.md").read_text(encoding="utf-8")
    mapping = mapping_from_plain(tomllib.loads(manual.split("```toml")[1].split("```")[0]))
    assert mapping.decimal_comma
    assert mapping.same_names
    assert [join.optional for join in mapping.joins] == [False, True]
    check_against_protocol(mapping, BUILT_IN["induction-course"])
