import numpy as np
import pytest

from ketapredict.validate.instability import instability
from ketapredict.validate.logistic import expit
from ketapredict.validate.refits import Refits, bootstrap_refits


def test_the_figures_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    apparent, moved = rng.normal(0, 1, 50), rng.normal(0, 1, (30, 50))
    y = (rng.random(50) < expit(apparent)).astype(float)
    found = instability(Refits(apparent, moved, np.ones((30, 50)), y, np.arange(50)), threshold=0.4)
    for i in range(50):
        p = expit(moved[:, i])
        own = float(expit(apparent[i : i + 1])[0])
        row = found.courses.iloc[i]
        assert row["mape"] == pytest.approx(np.mean(np.abs(p - own)))
        assert (row["low"], row["high"]) == pytest.approx(tuple(np.percentile(p, (2.5, 97.5))))
        assert row["changed"] == pytest.approx(np.mean((p >= 0.4) != (own >= 0.4)))
    assert found.mape == pytest.approx(found.courses["mape"].mean())
    assert "another sample of 50 courses" in found.statement
    assert found.calibration_curves.shape == (30, len(found.calibration_at))


def test_refits_that_agree_are_stable():
    rng = np.random.default_rng(1)
    apparent = rng.normal(0, 1, 80)
    y = (rng.random(80) < expit(apparent)).astype(float)
    found = instability(Refits(apparent, np.tile(apparent, (4, 1)), np.ones((4, 80)), y, np.arange(80)))
    assert (found.mape, found.changed) == (0, 0)
    assert np.ptp(found.calibration_curves, axis=0).max() == 0


def test_larger_samples_are_more_stable(made, quick_fits):
    small, large = (
        instability(bootstrap_refits(made(n, seed=3), np.random.default_rng(0), 20)).mape for n in (60, 600)
    )
    assert large < 0.6 * small
