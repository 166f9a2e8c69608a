import numpy as np
import pytest

from ketapredict.validate.small_samples import auc_interval, ratio_interval


@pytest.mark.parametrize("auc", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_the_interval_holds_the_estimate_has_a_width_and_stays_within_0_and_1(auc):
    low, high = auc_interval(auc, 3, 20)
    assert 0 <= low <= auc <= high <= 1
    assert high - low > 0.1


def test_it_is_symmetric_and_narrows_with_events():
    low, high = auc_interval(0.8, 5, 20)
    mirrored = auc_interval(0.2, 5, 20)
    assert (1 - high, 1 - low) == pytest.approx(mirrored)
    wide, narrow = np.diff(auc_interval(0.8, 5, 20))[0], np.diff(auc_interval(0.8, 50, 200))[0]
    assert narrow < wide / 2


def test_it_covers_where_a_bootstrap_cannot():
    # Binormal scores: the true AUC is Phi(1 / sqrt 2) = 0.7602.
    rng, held, repeats = np.random.default_rng(0), 0, 600
    for _ in range(repeats):
        events, others = rng.normal(1, 1, 4), rng.normal(0, 1, 22)
        auc = (events[:, None] > others).mean()
        low, high = auc_interval(auc, 4, 22)
        held += low <= 0.7602 <= high
    assert 0.92 <= held / repeats <= 0.99


def test_observed_over_expected():
    low, high = ratio_interval(20, 100, 25.0)
    half = 1.959964 * np.sqrt(0.8 / 20)
    assert (low, high) == pytest.approx((0.8 * np.exp(-half), 0.8 * np.exp(half)))
    low, high = ratio_interval(0, 30, 6.0)
    assert low == 0
    assert high == pytest.approx(30 * (1 - 0.025 ** (1 / 30)) / 6)
