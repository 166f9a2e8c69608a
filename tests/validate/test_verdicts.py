"""What is no better than something simpler is said, with the difference and its interval."""

from types import SimpleNamespace

import pytest

from ketapredict.validate.cross_validation import BASELINE_ONLY, EARLY_ONLY, PREVALENCE, RULE
from ketapredict.validate.intervals import Difference
from ketapredict.validate.verdicts import skill_verdicts

BETTER = (-0.05, -0.08, -0.02)
PERHAPS = (-0.01, -0.04, 0.02)
WORSE = (0.05, 0.02, 0.08)


def told(landmark: str, **differences: tuple[float, float, float]) -> tuple[str, ...]:
    names = {"prevalence": PREVALENCE, "rule": RULE, "early": EARLY_ONLY, "baseline": BASELINE_ONLY}
    found = {
        names[name]: {"log_loss": Difference(estimate, low, high, 0, 0, se=0.01)}
        for name, (estimate, low, high) in differences.items()
    }
    return skill_verdicts(SimpleNamespace(landmark=landmark, differences=found))


def test_nothing_is_said_of_a_model_that_beats_everything():
    assert told("24h", prevalence=BETTER, baseline=BETTER, rule=BETTER, early=BETTER) == ()
    assert told("pre", prevalence=BETTER, baseline=BETTER) == ()


@pytest.mark.parametrize(("early", "words"), [(PERHAPS, "not shown to be better than"), (WORSE, "WORSE than")])
def test_early_improvement_alone(early, words):
    (sentence,) = told("24h", prevalence=BETTER, baseline=PERHAPS, rule=BETTER, early=early)
    assert sentence.startswith(f"24h: {words} early improvement alone")
    assert f"difference {early[0]:+.3f}, 95% interval {early[1]:+.3f} to {early[2]:+.3f}" in sentence


def test_the_rule_and_the_prevalence_have_sentences_of_their_own():
    found = told("24h", prevalence=PERHAPS, rule=PERHAPS, early=PERHAPS)
    assert len(found) == 3
    for sentence, words in zip(found, ("NO SKILL SHOWN", "at least 20%", "early improvement alone"), strict=True):
        assert words in sentence


def test_before_treatment_the_baseline_alone():
    (sentence,) = told("pre", prevalence=BETTER, baseline=PERHAPS)
    assert sentence.startswith("pre: not shown to be better than the baseline score alone")


def test_an_update_has_no_such_comparators():
    assert told("24h", prevalence=BETTER) == ()
