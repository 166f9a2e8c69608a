"""Classes: the shares that the known truth uses are those that are drawn."""

import numpy as np
import pytest

from ketapredict.simulate.classes import joint_shares, steps_of


@pytest.mark.parametrize("last_cut_by", [-0.8, 0.0, 1.5])  # 1.5: the last cut lies under the one before it
def test_the_shares_of_steps_are_those_drawn(last_cut_by):
    rng, n, same = np.random.default_rng(4), 400_000, 0.6
    first, late = np.array([-0.9, -0.9 + last_cut_by]), np.array([0.2, 0.2 + last_cut_by])
    spread = np.array([0.36, 0.45])
    common, own = rng.standard_normal((n, 1)), rng.standard_normal((2, n))
    own[0] = np.where(rng.random(n) < same, own[1], own[0])
    drawn = [steps_of(mean + spread * common + part[:, None]) for mean, part in zip((first, late), own, strict=True)]
    found = np.histogram2d(*drawn, bins=[np.arange(5) - 0.5] * 2)[0] / n
    expected = joint_shares(first[None], late[None], spread, same)[0]
    assert expected.min() >= 0
    assert expected.sum() == pytest.approx(1)
    np.testing.assert_allclose(found, expected, atol=0.004)
