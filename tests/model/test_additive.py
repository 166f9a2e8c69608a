import numpy as np
import pandas as pd
import pytest

from ketapredict.features.design import design_frame
from ketapredict.features.feature_column import FeatureColumn
from ketapredict.features.preparation import design_matrix
from ketapredict.model.linear_form import linear_form


@pytest.fixture(scope="module")
def frames(short_model, short_cohort):
    found = []
    for model in short_model.bundle.landmarks:
        keep = short_cohort.table[f"score_{model.landmark}"].notna().to_numpy()
        found.append((model, design_frame(short_cohort.subset(keep), model.features, "response")))
    return found


def wild(frame: pd.DataFrame, seed: int) -> dict[str, np.ndarray]:
    """Values far outside what was trained on, and missing ones."""
    rng = np.random.default_rng(seed)
    values = {}
    for name in frame:
        column = rng.permutation(frame[name].to_numpy(float)) * rng.choice([1.0, 1.0, 3.0, -2.0], len(frame))
        values[name] = np.where(rng.random(len(frame)) < 0.2, np.nan, column)
    return values


def as_columns(values: dict[str, np.ndarray]) -> dict[str, FeatureColumn]:
    return {name: FeatureColumn(value) for name, value in values.items()}


def test_design_columns_are_combinations_of_the_functions(frames):
    for model, frame in frames:
        form = linear_form(model.columns)
        for seed in range(5):
            values = wild(frame, seed)
            own = [values[name] for name in form.functions.features]
            z = form.functions(own, np.empty((len(form.transform), len(frame))))
            expected = design_matrix(values, model.columns) - model.means
            np.testing.assert_allclose(z.T @ form.transform + form.constant, expected, atol=1e-9)


def test_contributions_and_deviations_are_those_of_the_columns(frames):
    for model, frame in frames:
        for seed in range(5):
            values = wild(frame, seed)
            by_concept, centre, deviation = model.additive.contributions(as_columns(values))
            linear, trees = model.contributions(values)
            owners = [column.concept for column in model.columns]
            owners += [next(f.concept for f in model.features if f.name == name) for name in model.tree_features]
            by_column = np.hstack([linear, trees])
            for position, concept in enumerate(model.additive.concepts):
                own = by_column[:, [owner == concept for owner in owners]].sum(axis=1)
                np.testing.assert_allclose(by_concept[position], own, atol=1e-9)
            expected = model.uncertainty.log_odds(model.centred_design(values))
            np.testing.assert_allclose(centre, expected[0], atol=1e-8)
            np.testing.assert_allclose(deviation, expected[1], rtol=1e-6, atol=1e-8)


def test_a_course_has_the_same_contributions_alone_and_among_others(frames):
    for model, frame in frames:
        values = wild(frame, 7)
        together, _, _ = model.additive.contributions(as_columns(values))
        for row in range(0, len(frame), 9):
            own = as_columns({name: value[row : row + 1] for name, value in values.items()})
            alone, _, _ = model.additive.contributions(own)
            np.testing.assert_array_equal(alone[:, 0], together[:, row])


def test_what_is_computed_once_for_all_that_share_a_value_is_what_each_course_has(frames):
    rng = np.random.default_rng(3)
    for model, frame in frames:
        values = wild(frame, 9)
        coded = {}
        for name, value in values.items():
            different, places = np.unique(value, return_inverse=True)
            # One more that no course has, and not all of them coded.
            different, places = np.append(different, 0.5), places.astype(np.int16)
            coded[name] = FeatureColumn(different, places) if rng.random() < 0.7 else FeatureColumn(value)
        for found, expected in zip(
            model.additive.contributions(coded), model.additive.contributions(as_columns(values)), strict=True
        ):
            np.testing.assert_array_equal(found, expected)
