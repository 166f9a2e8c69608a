import json
from dataclasses import asdict

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from ketapredict.model.training_profile import (
    OTHERS,
    level_profile,
    number_profile,
    profile_from_plain,
)

VALUES = st.lists(st.one_of(st.floats(0, 60, allow_nan=False), st.just(float("nan"))), min_size=1, max_size=120)


@settings(max_examples=100, deadline=None)
@given(VALUES, st.sampled_from([0.05, 1.0, 5.0]))
def test_numbers_in_bins_of_five_or_more_on_the_grid(values: list[float], step: float) -> None:
    cells = np.array(values)
    profile = number_profile("x", cells, step)
    if profile is None:
        return
    assert min(profile.counts) >= 5
    assert profile.missing == 0 or profile.missing >= 5
    assert sum(profile.counts) + profile.missing == len(values)
    steps = np.array(profile.edges) / step - 0.5
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
    counts, missing = profile.count(pd.Series(cells))
    assert missing == np.isnan(cells).sum()
    few = missing if missing < 5 else 0
    assert np.abs(counts - np.array(profile.counts)).sum() == few


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=80))
def test_levels_of_five_or_more(cells: list[str | None]) -> None:
    profile = level_profile("x", pd.Series(cells, dtype="str"), ["a", "b", "c", "d"])
    if profile is None:
        return
    assert min(profile.counts) >= 5
    assert sum(profile.counts) + profile.missing == len(cells)
    named = [level for level in profile.levels if level != OTHERS]
    if OTHERS in profile.levels:
        assert profile.levels[-1] == OTHERS
    else:
        # What is not named did not occur: else its few could be told from the total.
        assert {cell for cell in cells if cell} == set(named)
    counts, _ = profile.count(pd.Series(cells, dtype="str"))
    assert (counts <= np.array(profile.counts)).all()


def test_a_level_that_training_did_not_have_is_counted_with_the_last() -> None:
    profile = level_profile("x", pd.Series(["a"] * 10 + ["b"] * 6), ["a", "b", "c"])
    assert profile is not None
    assert profile.count(pd.Series(["a", "c", None]))[0].tolist() == [1, 1]


def test_profiles_of_a_model_survive_saving_and_name_what_the_landmark_adds(short_model, tmp_path) -> None:
    from ketapredict.response_model import ResponseModel

    short_model.save(tmp_path / "m")
    loaded = ResponseModel.load(tmp_path / "m")
    names: list[str] = []
    for ours, theirs in zip(short_model.bundle.landmarks, loaded.bundle.landmarks, strict=True):
        assert ours.profile == theirs.profile
        assert profile_from_plain(json.loads(json.dumps(asdict(ours.profile)))) == ours.profile
        names += [found.name for found in ours.profile.inputs]
        assert ours.profile.courses >= ours.courses
    assert len(set(names)) == len(names)
    assert {"score_24h", "score_72h", "score_baseline", "sex"} <= set(names)
    assert "arm" not in names
