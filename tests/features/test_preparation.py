import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import SplineTransformer

from ketapredict.features.preparation import DesignColumn, design_matrix, monotone_curves

KNOTS = st.lists(st.integers(-50, 50), min_size=2, max_size=6, unique=True).map(sorted)


@given(KNOTS, st.lists(st.floats(-100, 100), min_size=2, max_size=30))
def test_curves_are_those_of_scikit_learn(knots, values):
    inner, x = np.array(knots, float), np.array(values)
    spline = SplineTransformer(degree=2, knots=inner[:, None], extrapolation="linear").fit(x[:, None])
    expected = np.cumsum(spline.transform(x[:, None])[:, ::-1], axis=1)[:, ::-1][:, 1:]
    np.testing.assert_allclose(monotone_curves(x, inner), expected, atol=1e-9, rtol=1e-9)


@given(KNOTS)
def test_every_curve_never_falls(knots):
    x = np.linspace(-120, 120, 400)
    steps = np.diff(monotone_curves(x, np.array(knots, float)), axis=0)
    assert steps.min() >= -1e-9


def test_missing_values_are_filled_and_flagged():
    frame = pd.DataFrame({"age": [30.0, np.nan, 50.0]})
    columns = [
        DesignColumn("age", "age", "age", "value", fill=40.0),
        DesignColumn("age missing", "age", "age", "missing", fill=0.0),
        DesignColumn("age curve 1", "age", "age", "curve", fill=40.0, knots=(20.0, 40.0, 60.0), index=1),
    ]
    matrix = design_matrix(frame, columns)
    np.testing.assert_array_equal(matrix[:, 0], [30, 40, 50])
    np.testing.assert_array_equal(matrix[:, 1], [0, 1, 0])
    np.testing.assert_allclose(matrix[1, 2], monotone_curves(np.array([40.0]), np.array([20.0, 40.0, 60.0]))[0, 0])
