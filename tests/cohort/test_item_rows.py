from collections.abc import Callable

import pandas as pd
import pytest

from ketapredict.cohort import Cohort
from ketapredict.errors import MappingError

Mapped = Callable[..., Cohort]
NAMES = [f"I{number}" for number in range(1, 11)]
VISITS = {
    "label": "visit",
    "item": "test",
    "value": "result",
    "score": {"items": NAMES},
    "points": {"baseline": "base", "24h": "d1"},
}
MAPPING = {
    "constants": {"scale": "MADRS", "diagnosis": "MDD"},
    "columns": {"suicidality_item": {"from": "I10", "visit": "baseline"}, "age_years": "age"},
    "course": [{"course_id": "{id}", "visits": VISITS}],
}


def items(course: str, visit: str, values: list[object], age: object = 40) -> pd.DataFrame:
    frame = pd.DataFrame({"id": course, "visit": visit, "test": NAMES, "result": values, "age": age, "day": 1})
    return frame.astype(object)


def test_items_in_rows_are_summed_and_taken(mapped: Mapped) -> None:
    other = items("a", "base", [99] * 10).assign(test="CGI")
    rows = pd.concat(
        [items("a", "base", [3] * 9 + [5]), other, items("a", "d1", [1] * 10), items("b", "base", [4] * 10)]
    )
    cohort = mapped(rows.sample(frac=1, random_state=1), MAPPING)
    table = cohort.table.set_index("course_id")
    assert table.loc["a", ["score_baseline", "score_24h", "suicidality_item"]].tolist() == [32, 10, 5]
    assert table.loc["b", "score_baseline"] == 40
    assert (cohort.counts.used, cohort.counts.unmatched) == (30, 10)


def test_an_item_that_is_missing_makes_no_total(mapped: Mapped) -> None:
    rows = pd.concat([items("a", "base", [3] * 10), items("a", "d1", [1] * 10).iloc[1:]])
    cohort = mapped(rows, MAPPING)
    assert cohort.table["score_24h"].isna().all()
    assert cohort.counts.used == 19


def test_an_item_twice_and_what_varies_within_a_visit_reject_the_course(mapped: Mapped) -> None:
    twice = pd.concat([items("a", "base", [3] * 10), items("a", "base", [2] * 10).iloc[[4]]])
    varying = items("b", "base", [3] * 10)
    varying.loc[3, "age"] = 41
    cohort = mapped(pd.concat([twice, varying, items("c", "base", [3] * 10)]), MAPPING)
    assert cohort.table["course_id"].tolist() == ["c"]
    assert cohort.rejects[["row", "course_id", "column", "rule"]].to_numpy().tolist() == [
        [11, "a", "I5", "repeated visit"],
        [15, "b", "age", "varies within visit"],
    ]
    assert cohort.counts.used == 31


def test_rows_at_one_time_are_one_visit_where_no_label_says_it(mapped: Mapped) -> None:
    visits = {key: value for key, value in VISITS.items() if key not in ("label", "points")}
    rows = pd.concat([items("a", "", [3] * 10).assign(day=day) for day in (-1, 2)])
    mapping = {**MAPPING, "course": [{"course_id": "{id}", "visits": {**visits, "study_day": "day"}}]}
    course = mapped(rows, mapping).table.iloc[0]
    assert course[["score_baseline", "score_24h"]].tolist() == [30, 30]
    cohort = mapped(pd.concat([rows, items("b", "", [3] * 10).assign(day=0)]), mapping)
    assert cohort.rejects.loc[0, ["course_id", "column", "rule"]].tolist() == ["b", "day", "study day"]


def test_an_item_that_stands_nowhere_is_named(mapped: Mapped) -> None:
    with pytest.raises(MappingError, match=r"neither a column nor an item \(in test\) called I10"):
        mapped(items("a", "base", [3] * 10).iloc[:9], MAPPING)
    alone = {key: setting for key, setting in VISITS.items() if key != "value"}
    with pytest.raises(MappingError, match="item and value together"):
        mapped(items("a", "base", [3] * 10), {**MAPPING, "course": [{"visits": alone}]})


def test_what_is_the_score_cannot_be_taken_at_a_later_visit(mapped: Mapped) -> None:
    columns = {**MAPPING["columns"], "episode_months": {"from": "result"}}  # type: ignore[dict-item]
    with pytest.raises(Exception, match="episode_months counts as known at pre"):
        mapped(items("a", "base", [3] * 10), {**MAPPING, "columns": columns})
