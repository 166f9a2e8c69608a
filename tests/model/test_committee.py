from dataclasses import replace

import numpy as np
import pytest

from ketapredict.model.committee import committee_weights
from ketapredict.response_model import fit_response_model


def test_weights_are_equal_unless_a_member_clearly_harms():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=400)
    labels = (truth + rng.logistic(size=400) > 0).astype(float)
    good = [truth + rng.normal(scale=0.1, size=400) for _ in range(3)]
    assert committee_weights(np.stack(good), labels) == pytest.approx((1 / 3,) * 3)
    harmful = -3 * truth
    assert committee_weights(np.stack([*good, harmful]), labels) == pytest.approx((1 / 3, 1 / 3, 1 / 3, 0))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("landmark", ["24h", "72h"])
def test_a_better_latest_score_never_lowers_the_probability(seed, landmark, short_cohort):
    model = short_model_of(short_cohort, seed)
    courses = short_cohort.subset(short_cohort.table[f"score_{landmark}"].notna().to_numpy())
    last = None
    for score in range(0, 61):
        table = courses.table.copy()
        table[f"score_{landmark}"] = float(score)
        found = model.predict(replace(courses, table=table), landmark)["probability"].to_numpy()
        if last is not None:
            assert (found <= last + 1e-12).all()
        last = found
    assert last is not None


_models: dict[int, object] = {}


def short_model_of(cohort, seed):
    if seed not in _models:
        rows = np.random.default_rng(seed).permutation(len(cohort)) < 110
        _models[seed] = fit_response_model(cohort.subset(rows), seed=seed)[0]
    return _models[seed]
