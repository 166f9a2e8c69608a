import numpy as np
import pandas as pd

from ketapredict.features.design import Feature
from ketapredict.features.plan import plan_design

AGE = Feature("age", "value", ("age",), "age", "age", "pre", resolution=1.0)
FLAG = Feature("flag", "value", ("flag",), "flag", "flag", "pre", binary=True)


def test_what_does_not_vary_stays_out():
    n = 60
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(45, 12, n), "flag": np.r_[np.ones(4), np.zeros(n - 4)]})
    plan = plan_design(frame, [AGE, FLAG])
    assert plan.values == (AGE,)
    assert plan.missing == ()
    frame["flag"] = np.r_[np.ones(5), np.zeros(n - 5)]
    assert plan_design(frame, [AGE, FLAG]).values == (AGE, FLAG)
    frame["age"] = np.nan
    assert plan_design(frame, [AGE, FLAG]).values == (FLAG,)


def test_missingness_enters_when_there_is_enough_of_it_and_knots_are_on_the_grid():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(45, 12, 100)})
    frame.loc[:9, "age"] = np.nan
    plan = plan_design(frame, [AGE])
    assert plan.missing == (AGE,)
    assert all(knot == round(knot) for knot in plan.knots[0])
    assert list(plan.knots[0]) == sorted(set(plan.knots[0]))
