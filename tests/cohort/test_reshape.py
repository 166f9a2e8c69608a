from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ketapredict.cohort import Cohort
from ketapredict.cohort.mapping_file import mapping_from_plain
from ketapredict.cohort.read import read_cohort
from ketapredict.errors import CohortError, MappingError

Mapped = Callable[..., Cohort]
BASE = {"constants": {"scale": "MADRS", "diagnosis": "MDD"}}
LONG = pd.DataFrame(
    {
        "id": ["a", "a", "a", "b", "b", "c"],
        "visit": ["base", "d1", "d14", "base", "d1", "other"],
        "score": [30, 20, None, 40, 10, 5],
        "age": [40, None, 40, 50, 50, 60],
        "item": [4, 1, 1, 2, 0, 0],
    }
)
VISITS = {"label": "visit", "score": "score", "points": {"baseline": "base", "24h": "d1", "end": "d14"}}


def by_label(**more: object) -> dict[str, object]:
    return {**BASE, "course": [{"course_id": "{id}", "visits": VISITS}], **more}


def test_one_row_a_visit_becomes_one_row_a_course(mapped: Mapped) -> None:
    columns = {"age_years": "age", "suicidality_item": {"from": "item", "visit": "baseline"}}
    cohort = mapped(LONG, by_label(columns=columns))
    table = cohort.table.set_index("course_id")
    assert table.loc["a", ["score_baseline", "score_24h", "age_years", "suicidality_item"]].tolist() == [30, 20, 40, 4]
    assert np.isnan(table.loc["a", "score_end"])
    assert cohort.rows.tolist() == [1, 4]
    assert (cohort.counts.used, cohort.counts.unmatched) == (5, 1)
    assert cohort.rejects[["row", "course_id", "column", "rule"]].to_numpy().tolist() == [
        [6, "c", "score_baseline", "required"]
    ]


def test_a_repeated_visit_rejects_its_course(mapped: Mapped) -> None:
    cohort = mapped(pd.concat([LONG, LONG.iloc[[1]]]), by_label())
    assert cohort.table["course_id"].tolist() == ["b"]
    assert "repeated visit" in cohort.rejects["rule"].tolist()


def test_what_varies_within_a_course_rejects_it(mapped: Mapped) -> None:
    cohort = mapped(LONG.assign(age=[40, 41, 40, 50, 50, 60]), by_label(columns={"age_years": "age"}))
    assert cohort.rejects.loc[0, ["row", "column", "rule"]].tolist() == [2, "age_years", "varies within course"]
    same_number = LONG.assign(age=["40", "40.0", "4e1", "50", "50", "60"])
    assert len(mapped(same_number, by_label(columns={"age_years": "age"}))) == 2


def test_a_row_without_id_is_a_rejected_course_of_its_own(mapped: Mapped) -> None:
    cohort = mapped(LONG.assign(id=["a", "a", None, None, "b", "c"]), by_label())
    assert (cohort.rejects["column"] == "course_id").sum() == 2
    assert cohort.counts.courses == 5


def test_cell_errors_name_the_row_of_the_visit(mapped: Mapped) -> None:
    cohort = mapped(LONG.assign(score=[30, 900, None, 40, "x", 5]), by_label())
    assert cohort.rejects[["row", "column", "rule"]].to_numpy().tolist() == [
        [2, "score_24h", "range"],
        [5, "score_24h", "number"],
        [6, "score_baseline", "required"],
    ]


def test_rows_serve_several_courses_of_a_crossover(mapped: Mapped) -> None:
    rows = pd.DataFrame(
        {"id": ["a"] * 5, "v": ["b0", "d1", "d9", "p1", "p9"], "s": [40, 20, 30, 28, 32], "first": ["d"] * 5}
    )

    def block(course: str, arm: str, where: str, baseline: str, letter: str) -> dict[str, object]:
        points = {"baseline": baseline, "24h": f"{letter}1", "end": f"{letter}9"}
        visits = {"label": "v", "score": "s", "points": points}
        return {"course_id": f"{{id}}-{course}", "arm": arm, "where": where, "visits": visits}

    mapping = {
        **BASE,
        "columns": {"patient_id": "id"},
        "course": [
            block("k", "ketamine", 'first == "d"', "b0", "d"),
            block("p", "control", 'first == "d"', "d9", "p"),
            block("x", "control", 'first == "p"', "b0", "p"),
        ],
    }
    cohort = mapped(rows, mapping)
    assert cohort.table["score_baseline"].tolist() == [40, 30]
    assert cohort.active.tolist() == [True, False]
    assert (cohort.counts.source_rows, cohort.counts.used) == (5, 5)


def test_wide_courses_with_columns_of_their_own(mapped: Mapped) -> None:
    rows = pd.DataFrame({"id": ["a", "b"], "b1": [30, 31], "e1": [10, 20], "b2": [28, None], "e2": [9, None]})
    blocks = [
        {"course_id": "{id}-1", "columns": {"score_baseline": "b1", "score_end": "e1"}},
        {"course_id": "{id}-2", "where": "b2 is not None", "columns": {"score_baseline": "b2", "score_end": "e2"}},
    ]
    cohort = mapped(rows, {**BASE, "course": blocks})
    assert cohort.table["course_id"].tolist() == ["a-1", "b-1", "a-2"]
    assert cohort.counts.used == 2


def test_conditions_filter_and_open_ones_are_told(mapped: Mapped) -> None:
    rows = pd.DataFrame({"id": list("abcd"), "base": [30] * 4, "age": ["20", "10", None, "x"]})
    columns = {"course_id": "id", "score_baseline": "base"}
    cohort = mapped(rows, {**BASE, "columns": columns, "course": [{"where": "age >= 18"}]})
    assert cohort.table["course_id"].tolist() == ["a"]
    assert (cohort.counts.used, cohort.counts.filtered) == (2, 2)
    assert cohort.rejects[["row", "course_id", "column", "rule"]].to_numpy().tolist() == [[4, "d", "age", "number"]]
    assert any("1 times a missing cell" in notice for notice in cohort.notices)


def test_nothing_left_is_said(mapped: Mapped) -> None:
    with pytest.raises(CohortError, match="6 rows were left out"):
        mapped(LONG, by_label(course=[{"course_id": "{id}", "where": 'id == "z"', "visits": VISITS}]))
    with pytest.raises(MappingError, match="expected course_id"):
        mapped(LONG, {**BASE, "course": [{"visits": VISITS}]})


def test_columns_that_carry_contract_names_and_extras(mapped: Mapped) -> None:
    rows = pd.DataFrame(
        {
            "course_id": ["a", "b"],
            "score_baseline": [30, 31],
            "sleep": [5, 99],
            "note": ["x", "y"],
            "sex": ["female"] * 2,
        }
    )
    extra = {"kind": "number", "concept": "sleep_quality", "known_at": "pre", "minimum": 0, "maximum": 12, "unit": "h"}
    cohort = mapped(rows, {**BASE, "same_names": True, "extra": {"sleep": extra}})
    assert cohort.table["sleep"].tolist() == [5]
    assert cohort.rejects["expected"].tolist() == ["a number from 0 to 12 h"]
    assert cohort.columns["sleep"].concept == "sleep_quality"
    assert any("columns not used: note" in notice for notice in cohort.notices)


def test_ragged_rows_are_not_lost(tmp_path: object) -> None:
    path = tmp_path / "t.csv"  # type: ignore[operator]
    path.write_text("id,base\na,30\nb\nc,31\n")
    columns = {"course_id": "id", "score_baseline": "base"}
    cohort = read_cohort(path, mapping_from_plain({**BASE, "columns": columns}))
    assert (cohort.counts.source_rows, cohort.counts.accepted, cohort.counts.rejected) == (3, 2, 1)
    assert cohort.rejects[["row", "rule"]].to_numpy().tolist() == [[2, "fields"]]
    assert cohort.rows.tolist() == [1, 3]
    path.write_text("id,visit,score\na,base,30\na,d1\nb,base,31\n")
    cohort = read_cohort(path, mapping_from_plain(by_label()))
    assert (cohort.counts.source_rows, cohort.counts.used, cohort.counts.unmatched) == (3, 2, 1)
    assert cohort.rejects[["row", "rule"]].to_numpy().tolist() == [[2, "fields"]]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c", ""]),
            st.sampled_from(["base", "d1", "d14", "x", ""]),
            st.sampled_from(["30", "0", "900", "x", ""]),
            st.sampled_from(["1", "2", ""]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_counts_add_up_whatever_the_rows(mapped: Mapped, rows: list[tuple[str, ...]]) -> None:
    frame = pd.DataFrame(rows, columns=["id", "visit", "score", "group"])
    mapping = by_label(course=[{"course_id": "{id}", "where": "group == 1", "visits": VISITS}])
    try:
        counts = mapped(frame, mapping).counts
    except CohortError:
        assert not (frame["group"] == "1").any()
        return
    assert counts.source_rows == len(frame) == counts.used + counts.filtered + counts.unmatched
    assert counts.filtered == (frame["group"] != "1").sum()


def test_the_whole_of_a_clinics_mapping(mapped: Mapped) -> None:
    ratings = pd.DataFrame(
        {
            "case": ["a"] * 3 + ["b"] * 3 + ["c"] * 2,
            "rated_on": ["01.03.2024", "02.03.2024", "15.03.2024"] * 2 + ["01.03.2024", "not yet"],
            **{f"m{number}": [4, 2, 1, 5, 5, 7, 3, 3] for number in range(1, 11)},
        }
    )
    people = pd.DataFrame(
        {
            "case": ["a", "b", "c"],
            "started": ["01.03.2024"] * 3,
            "ill_since": ["01.01.2024"] * 3,
            "kg": [80, 90, 70],
            "cm": [200, 180, 170],
            "lorazepam": [1.5, None, 0],
        }
    )
    items = [f"m{number}" for number in range(1, 11)]
    date = {"date_format": "%d.%m.%Y"}
    mapping = {
        **BASE,
        "join": [{"table": "people", "on": "case"}],
        "columns": {
            "bmi_kg_m2": {"expr": "kg / (cm / 100) ** 2"},
            "benzodiazepine_mg_per_day": {"from": "lorazepam", "times": 10},
            "episode_months": {"days_from": "ill_since", "to": "started", "divide": 30, **date},
            "suicidality_item": {"from": "m10", "visit": "baseline"},
        },
        "course": [
            {
                "course_id": "{case}-ketamine",
                "visits": {"date": "rated_on", "start": "started", "score": {"items": items}, **date},
            }
        ],
    }
    cohort = mapped({"ratings": ratings, "people": people}, mapping)
    course = cohort.table.iloc[0]
    names = ["score_baseline", "score_24h", "score_end", "bmi_kg_m2", "benzodiazepine_mg_per_day", "episode_months"]
    assert course[names].tolist() == [40, 20, 10, 20, 15, 2]
    assert course["suicidality_item"] == 4
    assert cohort.rejects.loc[cohort.rejects["course_id"] == "b-ketamine", "rule"].tolist() == ["range"] * 10
    assert cohort.rejects.loc[cohort.rejects["course_id"] == "c-ketamine", "rule"].tolist() == ["date"]
    assert cohort.counts.used == 8
