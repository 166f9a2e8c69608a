import numpy as np
import pandas as pd
import pytest

from ketapredict.model.fit import training_data
from ketapredict.model.training_rows import training_rows
from ketapredict.validate.measures import auc, calibration_intercept
from ketapredict.validate.subgroups import subgroup_table, subgroup_variables


def drawn(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(0, 1.2, n)
    p = 1 / (1 + np.exp(-log_odds))
    return (rng.random(n) < p).astype(float), p


def test_the_figures_are_those_of_the_rows_of_the_subgroup():
    y, p = drawn(300)
    variables = pd.DataFrame({"sex": np.where(np.arange(300) % 3 == 0, "male", "female"), "same": "x"})
    table = subgroup_table(y, p, np.arange(300), variables, np.random.default_rng(0), 200)
    assert table["variable"].unique().tolist() == ["sex"]
    for level, rows in (("male", np.arange(0, 300, 3)), ("female", np.flatnonzero(np.arange(300) % 3))):
        found = table[table["level"] == level].set_index("measure")
        assert found.loc["auc", "estimate"] == pytest.approx(auc(y[rows], p[rows]))
        intercept = calibration_intercept(y[rows], p[rows])
        assert found.loc["calibration_intercept", "estimate"] == pytest.approx(intercept, abs=1e-6)
        assert found.loc["observed_over_expected", "estimate"] == pytest.approx(y[rows].sum() / p[rows].sum())
        assert (found["low"] < found["estimate"]).all()
        assert (found["estimate"] < found["high"]).all()
        assert found["courses"].tolist() == [len(rows)] * 3
        assert (found["warning"] == "").all()


def test_too_few_are_said_to_be_too_few_and_never_certain():
    y, p = drawn(120, 1)
    y[:12] = 0
    variables = pd.DataFrame({"site": ["small"] * 12 + ["large"] * 108})
    table = subgroup_table(y, p, np.arange(120), variables, np.random.default_rng(0), 200)
    small = table[table["level"] == "small"]
    assert (small["warning"] == "too few to say: 12 courses, 0 with the outcome").all()
    assert not small["certainly_miscalibrated"].any()
    assert np.isnan(small.set_index("measure").loc["auc", "estimate"])
    assert small.set_index("measure").loc["observed_over_expected", "high"] > 0


def test_a_subgroup_that_is_off_is_found_and_its_intervals_say_so():
    y, p = drawn(600, 2)
    y[:150] = np.random.default_rng(3).random(150) < 0.85
    variables = pd.DataFrame({"diagnosis": np.where(np.arange(600) < 150, "BD", "MDD")})
    table = subgroup_table(y, p, np.arange(600), variables, np.random.default_rng(0), 500)
    by = table.drop_duplicates("level").set_index("level")
    assert by.loc["BD", "certainly_miscalibrated"]
    assert not by.loc["MDD", "certainly_miscalibrated"]


def test_well_calibrated_subgroups_are_seldom_called_off():
    called = 0
    for seed in range(20):
        y, p = drawn(450, 100 + seed)
        variables = pd.DataFrame({"a": np.arange(450) % 5, "b": np.arange(450) // 90}).astype(str)
        table = subgroup_table(y, p, np.arange(450), variables, np.random.default_rng(seed), 500)
        called += table["certainly_miscalibrated"].any()
    assert called <= 3  # one in twenty is expected


def test_variables_are_joined_to_the_rows_that_were_trained_on(short_cohort):
    for landmark in ("24h", "72h"):
        rows = training_rows(short_cohort, landmark, "response")
        data = training_data(short_cohort, landmark, "response")
        table = short_cohort.table.iloc[rows]
        improvement = 1 - table[f"score_{landmark}"] / table["score_baseline"]
        np.testing.assert_array_equal(data.frame[f"early_improvement_{landmark}"], improvement)
        np.testing.assert_array_equal(data.labels, table["score_7d"] <= table["score_baseline"] / 2)
    variables = subgroup_variables(short_cohort, rows)
    assert list(variables.columns) == ["diagnosis", "sex", "age", "site", "arm", "severity at baseline"]
    table = short_cohort.table.iloc[rows].reset_index(drop=True)
    assert (variables["diagnosis"] == table["diagnosis"].astype(str)).all()
    assert ((variables["age"] == "60 and over") == (table["age_years"] >= 60)).all()
    assert set(variables["severity at baseline"]) <= {"mild", "moderate", "severe"}
    no_sex = table["sex"].isna()
    assert (variables.loc[no_sex, "sex"] == "not recorded").all()
