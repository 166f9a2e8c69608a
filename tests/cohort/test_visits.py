import numpy as np
import pandas as pd
import pytest

from ketapredict.cohort.mapping_file import mapping_from_plain
from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.cohort.visits import Placement, place_visits
from ketapredict.errors import MappingError

PROTOCOL = BUILT_IN["single-infusion"]
POINTS = ("baseline", *PROTOCOL.names)


def place(rows: dict[str, list[object]], scored: list[bool] | None = None, **settings: object) -> Placement:
    frame = pd.DataFrame(rows)
    visits = mapping_from_plain({"course": [{"visits": {"score": "s", **settings}}]}).courses[0].visits
    assert visits is not None
    return place_visits(
        visits,
        frame,
        np.zeros(len(frame), dtype=np.int64),
        np.array(scored if scored is not None else [True] * len(frame)),
        PROTOCOL,
        baseline_by_time="baseline" not in dict(settings.get("points", {})),  # type: ignore[call-overload]
    )


def found(placement: Placement) -> dict[str, int]:
    return {point: int(row) for point, row in zip(POINTS, placement.row_of[0], strict=True) if row >= 0}


def test_hours_go_to_the_window_that_holds_them() -> None:
    placement = place({"h": [-2.0, 0.67, 4.4, 30.0, 96.0, 100.0, 300.0]}, hours="h")
    assert found(placement) == {"baseline": 0, "40min": 1, "4h": 2, "24h": 3, "72h": 4}
    assert placement.placed.tolist() == [True] * 5 + [False] * 2


def test_the_nearest_wins_and_the_earlier_of_two_equally_near() -> None:
    assert found(place({"h": [35.0, 25.0, 19.0]}, hours="h")) == {"24h": 1}
    assert found(place({"h": [26.0, 22.0]}, hours="h")) == {"24h": 1}
    # Hour 3 lies in the windows of 2 h and 4 h, equally near to both.
    assert found(place({"h": [3.0]}, hours="h")) == {"2h": 0}


def test_a_row_with_a_score_goes_before_one_without() -> None:
    assert found(place({"h": [24.0, 30.0]}, [False, True], hours="h")) == {"24h": 1}


def test_the_latest_row_before_the_start_is_the_baseline() -> None:
    assert found(place({"d": [-7, 0, -1, 1, 3]}, days="d")) == {"baseline": 1, "24h": 3, "72h": 4}


def test_two_rows_at_one_moment_are_repeated() -> None:
    placement = place({"d": [1, 1, 3]}, days="d")
    assert placement.repeated[0].tolist() == [point == "24h" for point in POINTS]
    assert placement.placed.all()


def test_labels_win_over_time() -> None:
    rows = {"v": ["base", "x", None, "d1"], "h": [30.0, 24.0, 72.0, 200.0]}
    placement = place(rows, label="v", hours="h", points={"baseline": "base", "24h": "d1"})
    assert found(placement) == {"baseline": 0, "72h": 2, "24h": 3}
    assert placement.placed.tolist() == [True, False, True, True]


def test_numbers_as_labels_in_any_writing() -> None:
    assert found(place({"v": ["4.0", "5"]}, label="v", points={"24h": 4, "7d": 5})) == {"24h": 0, "7d": 1}
    assert found(place({"v": [4.0, 5.0]}, label="v", points={"24h": 4, "7d": 5})) == {"24h": 0, "7d": 1}


def test_dates() -> None:
    rows = {"on": ["01.03.2024", "02.03.2024", "soon"], "start": ["01.03.2024"] * 3}
    placement = place(rows, date="on", start="start", date_format="%d.%m.%Y")
    assert found(placement) == {"baseline": 0, "24h": 1}
    ((column, problem),) = placement.problems
    assert (column, problem.rule, problem.rows.tolist()) == ("on", "date", [False, False, True])


def test_absent_columns_are_named() -> None:
    with pytest.raises(MappingError, match=r"no column day\. It has: d"):
        place({"d": [1]}, days="day")


def test_the_study_day_has_no_day_0() -> None:
    placement = place({"d": [-3, -1, 1, 2, 4, 0, None]}, study_day="d")
    # Day 1 is hour 0: the baseline, later than day -1.
    assert found(placement) == {"baseline": 2, "24h": 3, "72h": 4}
    ((column, problem),) = placement.problems
    assert (column, problem.rule, problem.rows.tolist()) == ("d", "study day", [False] * 5 + [True, False])


def test_a_flag_makes_the_baseline_whatever_label_and_time_say() -> None:
    rows = {"v": ["screen", "d1", "d1", None], "flag": [None, "Y", None, "N"], "h": [-48.0, -1.0, 24.0, 72.0]}
    placement = place(rows, label="v", hours="h", baseline='flag == "Y"', points={"24h": "d1"})
    assert found(placement) == {"baseline": 1, "24h": 2, "72h": 3}
    assert not placement.repeated.any()
    twice = place(
        {**rows, "flag": ["Y", "Y", None, None]}, label="v", hours="h", baseline='flag == "Y"', points={"24h": "d1"}
    )
    assert twice.repeated[0].tolist() == [point == "baseline" for point in POINTS]


@pytest.mark.parametrize("written", [["1", "2", "3.5"], ["1.0", "2.00", "3.50"], [1.0, 2.0, 3.5]], ids=str)
@pytest.mark.parametrize("mapped", ["{} / {}", "{}.0 / {}"])
def test_a_number_in_a_label_of_several_columns_in_any_writing(written: list[object], mapped: str) -> None:
    rows = {"n": [*written, None], "t": ["40 MINUTES", "4 HOURS", "v 1.10", "v 1.1"]}
    points = {"40min": mapped.format(1, "40 MINUTES"), "4h": mapped.format(2, "4 HOURS"), "24h": "3.5 / v 1.10"}
    assert found(place(rows, label=["n", "t"], points=points)) == {"40min": 0, "4h": 1, "24h": 2}


def test_a_label_as_it_is_written_goes_before_the_number_that_it_is() -> None:
    rows = {"n": ["1", "1.0", "1.00"], "t": ["a", "a", "b"]}
    assert found(place(rows, label=["n", "t"], points={"4h": "1 / a", "24h": "1.0 / a"})) == {"4h": 0, "24h": 1}


def test_a_label_of_several_columns() -> None:
    rows = {"visit": ["Day 1", "Day 1", "Day 2", None, None], "time": ["40 min", "4 h", None, "4 h", None]}
    points = {"40min": "Day 1 / 40 min", "4h": "Day 1 / 4 h", "24h": "Day 2", "72h": "4 h"}
    assert found(place(rows, label=["visit", "time"], points=points)) == {"40min": 0, "4h": 1, "24h": 2, "72h": 3}
