"""A planted leak and a planted null are both called out, in the box at the top of the card."""

import numpy as np
import pytest

from ketapredict.cohort.columns import Column
from ketapredict.cohort.outcomes import outcome_labels
from ketapredict.cohort.read import cohort_from_frame
from ketapredict.report.card.card import model_card
from ketapredict.validate.study import Effort

pytestmark = pytest.mark.slow


def in_the_box(card) -> str:
    assert '<div class="warning"' in card.html
    return card.html.split('<div class="warning"')[1].split("</div>")[0]


def test_a_copy_of_the_outcome_declared_as_known_at_24_h(studied, short_cohort):
    copied = outcome_labels(short_cohort, "response")
    frame = short_cohort.table.assign(relapse_risk=np.where(np.isnan(copied), np.nan, copied))
    leak = Column("relapse_risk", "number", "risk of relapse", "symptom_profile", "24h", minimum=0, maximum=1)
    cohort = cohort_from_frame(frame, short_cohort.protocol, extras=(leak,))
    box = in_the_box(model_card(studied(cohort, Effort(repeats=1, refits=0, curve_repeats=0))))
    assert "LEAKAGE SUSPECTED" in box
    assert "risk of relapse (relapse_risk)" in box


def test_a_shuffled_outcome(studied, short_cohort):
    frame = short_cohort.table.copy()
    rng = np.random.default_rng(5)
    # Whole courses but for their end: what is known early says nothing about how they end.
    for name in ("score_24h", "score_72h"):
        share = (frame[name] / frame["score_baseline"]).to_numpy()
        frame[name] = np.rint(rng.permutation(share) * frame["score_baseline"])
    cohort = cohort_from_frame(frame, short_cohort.protocol)
    box = in_the_box(model_card(studied(cohort, Effort(repeats=1, refits=0, curve_repeats=0))))
    assert "24h: NO SKILL SHOWN" in box
    assert "72h: NO SKILL SHOWN" in box
