from collections.abc import Callable
from pathlib import Path

import pytest

from ketapredict.cohort import count_lines, read_cohort, summarise


def test_arms_and_time_points(write: Callable[..., Path]) -> None:
    text = (
        "course_id,arm,diagnosis,scale,score_baseline,score_24h,score_end\n"
        "a,ketamine,MDD,MADRS,30,15,9\nb,,MDD,MADRS,20,11,\nc,control,MDD,MADRS,30,30,10\n"
        "d,ketamine,MDD,MADRS,9,4,4\ne,ketamine,MDD,MADRS,x,4,4\n"
    )
    cohort = read_cohort(write(text))
    table = summarise(cohort).set_index(["arm", "time_point"])
    day = table.loc[("ketamine", "24h")]
    assert day[["n_both", "baseline_mean", "score_mean"]].tolist() == pytest.approx([3, 59 / 3, 10])
    assert day[["responders", "remission_n", "remitters"]].tolist() == [2, 2, 0]
    end = table.loc[("ketamine", "end")]
    assert end[["n_both", "responders", "remission_n", "remitters"]].tolist() == [2, 2, 1, 1]
    assert table.loc[("control", "end"), ["responders", "remitters"]].tolist() == [1, 0]
    assert table.loc[("control", "4h"), "n_both"] == 0
    assert count_lines(cohort) == [
        "source rows 5 = used 5 + filtered 0 + unmatched 0",
        "courses 5 = accepted 4 + rejected 1",
        "rejected cells: score_baseline, rule number: 1",
    ]


def test_nothing_accepted(write: Callable[..., Path]) -> None:
    cohort = read_cohort(write("course_id,diagnosis,scale,score_baseline\na,X,MADRS,30\n"))
    assert summarise(cohort).empty
    assert "no course was accepted: there is nothing to summarise" in count_lines(cohort)
