"""What is not told of small groups, and cannot be reckoned from what is told."""

import numpy as np
import pandas as pd

from ketapredict.validate.small_groups import without_small_characteristics, without_small_subgroups


def test_a_subgroup_whose_events_are_hidden_tells_them_nowhere():
    names = ["MDD", "BD-I", "BD-II", "BD"]
    courses, events = [140, 18, 34, 13], [80, 3, 20, 8]
    few = ["", "too few to say: 18 courses, 3 with the outcome", "", "too few to say: 13 courses, 8 with the outcome"]
    table = pd.DataFrame(
        {
            "variable": "diagnosis", "level": names, "courses": courses, "events": events, "measure": "auc",
            "estimate": 0.7, "low": 0.6, "high": 0.8, "warning": few, "certainly_miscalibrated": False,
        }
    )  # fmt: skip
    shown = without_small_subgroups(table).set_index("level")
    assert np.isnan(shown.loc[["BD-I", "BD"], "events"]).all()
    assert np.isnan(shown.loc["BD-I", "estimate"])
    assert "8" not in shown.loc["BD", "warning"]
    assert "3" not in shown.loc["BD-I", "warning"]
    assert list(shown.loc[["MDD", "BD-II"], "events"]) == [80, 20]


def test_the_size_of_a_level_under_five_is_not_told():
    table = pd.DataFrame(
        {
            "variable": "sex", "level": ["female", "male", "other"], "courses": [60, 50, 3], "events": [30, 22, 1],
            "measure": "auc", "estimate": 0.7, "low": 0.6, "high": 0.8, "warning": "", "certainly_miscalibrated": False,
        }
    )  # fmt: skip
    shown = without_small_subgroups(table).set_index("level")
    assert np.isnan(shown.loc["other", ["courses", "events", "estimate", "low", "high"]].astype(float)).all()
    # 1 = 53 - 30 - 22 is not to be had either.
    assert np.isnan(shown.loc["male", "events"])
    assert shown.loc["female", "events"] == 30


def test_characteristics_known_of_a_few_are_left_out():
    table = pd.DataFrame({"characteristic": ["age", "bmi"], "completers_known": [90, 90], "others_known": [12, 4]})
    assert without_small_characteristics(table)["characteristic"].tolist() == ["age"]
