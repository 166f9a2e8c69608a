from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ketapredict.cohort import Cohort, read_cohort
from ketapredict.cohort.columns import declared_columns
from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.errors import CohortError

PROTOCOL = BUILT_IN["induction-course"]
GOOD = {"course_id": "k1", "diagnosis": "MDD", "scale": "MADRS", "score_baseline": "34"}
Check = Callable[..., Cohort]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Read one good course beside one with the cells given."""

    def read(protocol: str = "induction-course", **cells: str | None) -> Cohort:
        rows = pd.DataFrame([dict.fromkeys(cells) | GOOD, GOOD | {"course_id": "k2"} | cells])
        rows.to_csv(tmp_path / "cohort.csv", index=False)
        return read_cohort(tmp_path / "cohort.csv", protocol=protocol)

    return read


@pytest.mark.parametrize(
    ("column", "cell", "rule"),
    [
        ("course_id", "", "required"),
        ("diagnosis", "", "required"),
        ("scale", None, "required"),
        ("score_baseline", "", "required"),
        ("diagnosis", "ADHD", "level"),
        ("scale", "MADRS-S", "level"),
        ("sex", "3", "level"),
        ("arm", "saline", "level"),
        ("substance_use", "often", "level"),
        ("age_years", "forty", "number"),
        ("age_years", "7", "range"),
        ("age_years", "101", "range"),
        ("age_years", "47,5", "number"),
        ("bmi_kg_m2", "inf", "number"),
        ("failed_ect", "maybe", "yes or no"),
        ("failed_trials", "-1", "range"),
        ("score_baseline", "0", "range"),
        ("score_baseline", "61", "range"),
        ("score_baseline", "2024-01-31", "number"),
        ("score_24h", "900", "range"),
        ("score_24h", "-1", "range"),
        ("score_end", "31.01.2024", "number"),
        ("suicidality_item", "7", "range"),
        ("suicidality_item", "-1", "range"),
        ("cadss_40min", "93", "range"),
        ("dose_mg_per_kg", "5", "range"),
    ],
)
def test_a_broken_rule_rejects_the_course_and_no_other(check: Check, column: str, cell: str | None, rule: str) -> None:
    cohort = check(**{column: cell})
    assert cohort.table["course_id"].tolist() == ["k1"]
    assert cohort.rejects[["row", "column", "rule"]].to_numpy().tolist() == [[2, column, rule]]
    assert (cohort.counts.accepted, cohort.counts.rejected) == (1, 1)


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        ("scale", "madrs", "MADRS"),
        ("sex", " Female ", "female"),
        ("arm", "Control", "control"),
        ("failed_ect", "YES", 1.0),
        ("failed_ect", "0.0", 0.0),
        ("failed_ect", "f", None),
        ("age_years", "12", 12.0),
        ("score_end", "0", 0.0),
        ("score_end", "17.5", 17.5),
        ("score_baseline", "60", 60.0),
        ("suicidality_item", "6", 6.0),
    ],
)
def test_values_that_hold(check: Check, column: str, cell: str, value: object) -> None:
    cohort = check(**{column: cell})
    if value is None:
        assert len(cohort.rejects) == 1
    else:
        assert cohort.table.loc[1, column] == value


def test_scores_are_judged_by_the_scale_of_their_own_course(check: Check) -> None:
    assert check(scale="HAMD-17", score_baseline="52").counts.rejected == 0
    assert check(scale="HAMD-17", score_baseline="53").rejects["expected"].tolist() == [
        "a total above 0, up to 52 points"
    ]
    assert check(scale="PHQ-9", score_baseline="20", suicidality_item="4").rejects["column"].tolist() == [
        "suicidality_item"
    ]


def test_all_errors_come_in_one_pass(check: Check) -> None:
    cohort = check(age_years="x", sex="x", score_24h="900", diagnosis="", failed_ect="?")
    assert sorted(cohort.rejects["column"]) == ["age_years", "diagnosis", "failed_ect", "score_24h", "sex"]
    assert cohort.counts.rejected == 1


def test_all_rows_of_a_repeated_id_are_rejected(check: Check) -> None:
    cohort = check(course_id="k1")
    assert cohort.rejects["rule"].tolist() == ["unique", "unique"]
    assert len(cohort) == 0


def test_self_ratings_over_a_week_cannot_tell_of_hours(check: Check) -> None:
    assert check(scale="QIDS-SR16", score_baseline="20", score_4h="10").rejects["rule"].tolist() == ["recall window"]
    cohort = check(scale="QIDS-SR16", score_baseline="20", score_24h="10")
    assert cohort.counts.rejected == 0
    assert any("QIDS-SR16 looks back" in notice for notice in cohort.notices)
    assert check(scale="MADRS", score_4h="10").counts.rejected == 0


def test_self_ratings_over_a_week_are_no_outcome_under_three_days(check: Check, tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(
        'name = "p"\nlandmarks = ["pre"]\noutcome = "48h"\n'
        '[[time_point]]\nname = "48h"\nhours = 48\nwindow_hours = [40, 60]\n'
    )
    with pytest.raises(CohortError, match="PHQ-9 looks back"):
        check(str(path), scale="PHQ-9", score_baseline="20")
    assert len(check(str(path))) == 2


def test_the_table_has_every_declared_column_in_order_and_type(check: Check) -> None:
    table = check().table
    declared = declared_columns(PROTOCOL)
    assert list(table) == list(declared)
    for name, column in declared.items():
        match column.kind:
            case "text":
                assert isinstance(table[name].dtype, pd.StringDtype)
            case "level":
                assert tuple(table[name].cat.categories) == column.levels
            case _:
                assert table[name].dtype == np.float64


def test_notices_on_scales_and_baselines(check: Check) -> None:
    notices = check(scale="HAMD-17", score_baseline="5").notices
    assert any("several scales" in notice for notice in notices)
    assert any("1 courses start at or under the remission cut" in notice for notice in notices)


CELL = st.one_of(
    st.none(), st.sampled_from(["MDD", "MADRS", "900", "12", "yes", "2024-01-31", "k1"]), st.text(max_size=5)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(declared_columns(PROTOCOL), CELL)), min_size=1, max_size=5))
def test_whatever_the_cells_no_course_is_lost_and_accepted_ones_keep_the_rules(
    tmp_path: Path, rows: list[dict[str, str | None]]
) -> None:
    path = tmp_path / "cohort.parquet"
    pd.DataFrame(rows, dtype="str").to_parquet(path)
    cohort = read_cohort(path)
    assert cohort.counts.accepted + cohort.counts.rejected == len(rows)
    assert len(cohort) == cohort.counts.accepted
    assert set(cohort.rejects["row"]) | set(cohort.rows) == set(range(1, len(rows) + 1))
    assert not set(cohort.rejects["row"]) & set(cohort.rows)
    for name, column in cohort.columns.items():
        values = cohort.table[name]
        if column.required:
            assert values.notna().all()
        if column.minimum is not None:
            assert not (values < column.minimum).any()
        if column.maximum is not None:
            assert not (values > column.maximum).any()
