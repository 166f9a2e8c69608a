import numpy as np
import pytest

from ketapredict.validate.cross_validation import cross_validate
from ketapredict.validate.learning_curve import learning_curve
from ketapredict.validate.logistic import expit
from ketapredict.validate.measures import MEASURES


@pytest.fixture
def validated(made, quick_fits):
    data = made(201, courses_per_patient=3)
    return data, cross_validate(data, "24h", 3, np.random.default_rng(0))


def test_the_last_size_is_the_cross_validation_itself(validated):
    data, validation = validated
    steps: list[int] = []
    table = learning_curve(data, validation, np.random.default_rng(1), (0.25, 0.5), 2, steps.append)
    assert len(steps) == 2 * 2 * 5  # shares, repeats, folds
    assert table["share"].unique().tolist() == [0.25, 0.5, 1.0]
    for name, row in table[table["share"] == 1.0].set_index("measure").iterrows():
        by_repeat = []
        for repeat in range(2):
            p = np.empty(201)
            for (number, _, test), log_odds in zip(validation.folds, validation.log_odds, strict=True):
                if number == repeat:
                    p[test] = expit(log_odds)
            by_repeat.append(MEASURES[name].function(data.labels, p, None))
        assert row["estimate"] == pytest.approx(np.mean(by_repeat), abs=1e-7)
        assert row["gain"] == 0
    assert (table["low"] <= table["estimate"]).all()
    assert (table["estimate"] <= table["high"]).all()


def test_shares_are_nested_stratified_and_keep_patients_and_folds_apart(validated, monkeypatch):
    data, validation = validated
    seen = []

    def recording(data_, splits, rng, progress):
        seen.extend(splits)
        return [(np.zeros(len(test)), {}) for _, test in splits]

    monkeypatch.setattr("ketapredict.validate.learning_curve.fit_and_predict", recording)
    learning_curve(data, validation, np.random.default_rng(1), (0.25, 0.5, 0.75), 1)
    assert len(seen) == 15
    for fold in range(5):
        _, whole, test = validation.folds[fold]
        parts = [seen[size * 5 + fold] for size in range(3)]
        for (train, tested), share in zip(parts, (0.25, 0.5, 0.75), strict=True):
            np.testing.assert_array_equal(tested, test)
            assert set(train) <= set(whole)
            assert not set(data.patients[train]) & set(data.patients[test])
            rest = np.setdiff1d(whole, train)
            assert not set(data.patients[train]) & set(data.patients[rest])
            assert len(train) == pytest.approx(share * len(whole), abs=3)
            assert data.labels[train].mean() == pytest.approx(data.labels[whole].mean(), abs=0.12)
        assert set(parts[0][0]) <= set(parts[1][0]) <= set(parts[2][0])


def test_more_data_is_better_and_too_little_is_left_out(made, quick_fits):
    data = made(300, seed=5)
    validation = cross_validate(data, "24h", 2, np.random.default_rng(0))
    table = learning_curve(data, validation, np.random.default_rng(1), (0.01, 0.1, 0.5))
    assert table["share"].unique().tolist() == [0.1, 0.5, 1.0]
    loss = table[table["measure"] == "log_loss"].set_index("share")
    assert loss.loc[0.1, "estimate"] > loss.loc[1.0, "estimate"]
    assert loss.loc[0.1, "gain"] < 0
    assert loss["training_courses"].tolist() == pytest.approx([24, 120, 240], abs=1)
