"""The decision alone: what passes, what does not, and that worse figures never help."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketapredict.tracking.evidence import (
    CROSS_VALIDATION,
    HOLD_OUT,
    Comparison,
    Evidence,
    Figures,
    Span,
    Subgroup,
)
from ketapredict.tracking.gate import MARGINS, decide
from ketapredict.validate.intervals import bootstrap_interval

SAME = Span(0.0, 0.0, 0.0)
GOOD = Figures(CROSS_VALIDATION, "24h", 300, 150, Span(1.1, 0.9, 1.3), Span(0.0, -0.2, 0.2), Span(-0.1, -0.14, -0.06))
MEN = Subgroup(CROSS_VALIDATION, "24h", "sex", "male", Span(0.1, -0.2, 0.4), certain=False)
FIRST = Evidence({"training data": "real"}, ("24h",), (GOOD,), {CROSS_VALIDATION: (MEN,)})
EQUAL = Comparison(CROSS_VALIDATION, "24h", SAME, SAME, {0.1: SAME, 0.3: SAME, 0.5: SAME})
SECOND = replace(
    FIRST,
    champion="1",
    champion_landmarks=("24h",),
    compared_on=(CROSS_VALIDATION,),
    comparisons=(EQUAL,),
)


def failed(evidence, **options):
    return [check.name for check in decide(evidence, **options).failed]


def with_figures(**changes):
    return replace(FIRST, figures=(replace(GOOD, **changes),))


def with_comparison(**changes):
    return replace(SECOND, comparisons=(replace(EQUAL, **changes),))


def test_a_sound_first_version_passes_and_is_called_the_first():
    decision = decide(FIRST)
    assert (decision.yes, decision.word, decision.failed) == (True, "first champion", ())
    verdicts = {check.name: check.verdict for check in decision.checks}
    assert verdicts["against the champion"] == "not applicable"
    assert all(check.requirement and check.reason.endswith(".") for check in decision.checks)


def test_a_challenger_like_the_champion_is_not_worse_and_not_better():
    decision = decide(SECOND)
    assert (decision.yes, decision.word) == (True, "not worse")
    better = decide(with_comparison(log_loss=Span(-0.03, -0.05, -0.01)))
    assert (better.yes, better.word) == (True, "better")


@pytest.mark.parametrize("origin", ["simulated", "evidence"])
@pytest.mark.parametrize("what", ["training data", "hold-out"])
def test_data_that_are_not_real_need_leave(origin, what):
    evidence = replace(FIRST, origins={"training data": "real"} | {what: origin})
    assert failed(evidence) == ["real data"]
    allowed = decide(evidence, allow_simulated=True)
    assert allowed.yes
    assert "--allow-simulated" in allowed.checks[0].reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"courses": 40, "events": 9}, "Too few courses to say (40 courses, 9 with"),
        ({"courses": 40, "events": 20}, "Separation: the predictions tell the outcomes apart perfectly, so"),
        ({"courses": 40, "events": 20, "slope": Span(9.0)}, "Separation: the predictions tell the outcomes apart in"),
        ({"log_loss_gain": Span(0.0, -0.01, 0.01)}, "No figure could be made"),
    ],
)
def test_why_a_slope_cannot_be_told_is_said(changes, words):
    decision = decide(with_figures(**{"slope": Span()} | changes))
    check = decision.failed[0]
    assert check.name.startswith("calibration slope")
    assert check.reason.startswith(words)


def test_separated_predictions_are_called_so_from_the_figures_on():
    y = np.repeat([0.0, 1.0], 20)
    found = bootstrap_interval(y, np.where(y == 1, 0.9, 0.1), np.arange(40), np.random.default_rng(0), 100)
    slope = found["calibration_slope"]
    decision = decide(with_figures(courses=40, events=20, slope=Span(slope.estimate, slope.low, slope.high)))
    assert decision.failed[0].reason.startswith("Separation")


def test_card_and_leakage():
    assert failed(replace(FIRST, card=("model-card.md is absent",))) == ["model card"]
    assert failed(replace(FIRST, suspicions=("Suspected leakage: crp alone separates the outcome.",))) == ["leakage"]
    assert failed(replace(FIRST, suspicions=None)) == ["leakage"]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"slope": Span(0.6, 0.45, 0.79)}, "calibration slope at 24h (cross-validation)"),
        ({"slope": Span(1.6, 1.21, 2.0)}, "calibration slope at 24h (cross-validation)"),
        ({"slope": Span(1.0)}, "calibration slope at 24h (cross-validation)"),
        ({"intercept": Span(0.5, 0.31, 0.7)}, "calibration intercept at 24h (cross-validation)"),
        ({"intercept": Span(-0.5, -0.7, -0.31)}, "calibration intercept at 24h (cross-validation)"),
        ({"intercept": Span()}, "calibration intercept at 24h (cross-validation)"),
    ],
)
def test_floors(changes, name):
    assert failed(with_figures(**changes)) == [name]
    if not next(iter(changes.values())).told:
        assert "what cannot be told is no pass" in decide(with_figures(**changes)).failed[0].reason


def test_knowing_no_more_than_the_prevalence_is_no_skill_and_knowing_less_is_worse():
    assert failed(with_figures(log_loss_gain=Span(-0.02, -0.07, 0.03))) == ["skill (cross-validation)"]
    worse = with_figures(log_loss_gain=Span(0.05, 0.01, 0.09))
    assert failed(worse) == ["log-loss at 24h (cross-validation)", "skill (cross-validation)"]


def test_a_landmark_without_skill_is_allowed_beside_one_with_it():
    before = replace(GOOD, landmark="pre", log_loss_gain=Span(0.0, -0.02, 0.02))
    assert decide(replace(FIRST, landmarks=("pre", "24h"), figures=(before, GOOD))).yes


def test_a_landmark_without_figures_fails():
    names = failed(replace(FIRST, landmarks=("24h", "72h")))
    assert names == [
        f"{what} at 72h (cross-validation)" for what in ("calibration slope", "calibration intercept", "log-loss")
    ]


@pytest.mark.parametrize(
    ("span", "certain", "off"),
    [
        (Span(0.9, 0.5, 1.3), True, True),
        (Span(-0.9, -1.3, -0.5), True, True),
        (Span(0.9, 0.5, 1.3), False, False),  # one of many: chance
        (Span(0.2, 0.1, 0.3), True, False),  # certain, and too little to matter
        (Span(0.9), True, False),  # too few to say
    ],
)
def test_subgroups(span, certain, off):
    evidence = replace(FIRST, subgroups={CROSS_VALIDATION: (MEN, replace(MEN, intercept=span, certain=certain))})
    assert failed(evidence) == (["subgroups (cross-validation)"] if off else [])


def test_subgroups_that_nobody_looked_at_and_subgroups_too_small_to_say():
    assert failed(replace(FIRST, subgroups={})) == ["subgroups (cross-validation)"]
    small = replace(FIRST, subgroups={CROSS_VALIDATION: (replace(MEN, intercept=Span(0.3)),)})
    assert decide(small).yes
    assert [check.verdict for check in decide(small).checks if check.name.startswith("subgroups")] == ["not applicable"]


def test_a_hold_out_adds_evidence_and_takes_none_away():
    there = replace(GOOD, source=HOLD_OUT)
    group = replace(MEN, source=HOLD_OUT)
    both = replace(
        FIRST,
        figures=(GOOD, there),
        sources=(CROSS_VALIDATION, HOLD_OUT),
        subgroups={CROSS_VALIDATION: (MEN,), HOLD_OUT: (group,)},
    )
    assert decide(both).yes
    low = Span(0.5, 0.3, 0.7)
    assert failed(replace(both, figures=(GOOD, replace(there, slope=low)))) == ["calibration slope at 24h (hold-out)"]
    assert failed(replace(both, figures=(replace(GOOD, slope=low), there))) == [
        "calibration slope at 24h (cross-validation)"
    ]
    assert len(failed(replace(both, figures=(GOOD,)))) == 4


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"log_loss": Span(0.03, 0.01, 0.05)}, "log-loss"),
        ({"log_loss": Span(0.0, -0.03, 0.03)}, "log-loss"),  # not shown to be no worse
        ({"log_loss": Span()}, "log-loss"),
        ({"slope_distance": Span(0.3, 0.1, 0.5)}, "|slope - 1|"),
        ({"slope_distance": Span()}, "|slope - 1|"),
        ({"net_benefit": {0.3: Span(-0.04, -0.06, -0.02)}}, "net benefit at 0.3"),
    ],
)
def test_worse_than_the_champion(changes, name):
    assert failed(with_comparison(**changes)) == [f"{name} against the champion at 24h (cross-validation)"]


@pytest.mark.parametrize(
    "changes",
    [
        {"slope_distance": Span(0.3, -0.4, 1.0)},  # noise where predictions hardly vary
        {"slope_distance": Span(0.05, 0.01, 0.09)},
        {"net_benefit": {0.3: Span(-0.04, -0.09, 0.01)}},
        {"net_benefit": {0.3: Span(-0.01, -0.015, -0.005)}},
        {"log_loss": Span(0.005, 0.001, 0.009)},
    ],
)
def test_differences_within_noise_or_margin_do_not_stop_a_challenger(changes):
    assert decide(with_comparison(**changes)).yes


def test_landmarks_of_the_champion_must_stay_and_new_ones_may_come():
    names = failed(replace(SECOND, champion_landmarks=("24h", "72h")))
    assert names == ["against the champion: landmarks"]
    more = replace(SECOND, landmarks=("24h", "72h"), figures=(GOOD, replace(GOOD, landmark="72h")))
    assert decide(more).yes
    assert "Nothing could be compared." in decide(replace(SECOND, champion_landmarks=("pre",))).failed[-1].reason
    assert len(failed(replace(SECOND, comparisons=()))) == 2  # nothing known of log-loss and slope


FINITE = st.floats(-2, 2)
SPANS = st.tuples(FINITE, st.floats(0, 1), st.floats(0, 1)).map(lambda t: Span(t[0], t[0] - t[1], t[0] + t[2]))
HARM = st.floats(0, 1)


def moved(span, by):
    return Span(span.estimate + by, span.low + by, span.high + by)


@given(SPANS, SPANS, SPANS, SPANS)
def test_a_challenger_identical_to_the_champion_passes_the_comparison(slope, intercept, gain, group):
    figures = replace(GOOD, slope=slope, intercept=intercept, log_loss_gain=gain)
    evidence = replace(SECOND, figures=(figures,), subgroups={CROSS_VALIDATION: (replace(MEN, intercept=group),)})
    assert not [name for name in failed(evidence) if "against the champion" in name]
    first = replace(FIRST, figures=evidence.figures, subgroups=evidence.subgroups)
    assert decide(evidence).yes == decide(first).yes


@given(SPANS, SPANS, SPANS, SPANS, HARM, HARM, HARM, HARM)
def test_a_worse_comparison_never_turns_a_no_into_a_yes(loss, distance, low, high, a, b, c, d):
    before = with_comparison(log_loss=loss, slope_distance=distance, net_benefit={0.1: low, 0.5: high})
    after = with_comparison(
        log_loss=moved(loss, a),
        slope_distance=moved(distance, b),
        net_benefit={0.1: moved(low, -c), 0.5: moved(high, -d)},
    )
    assert decide(before).yes or not decide(after).yes


@given(SPANS, SPANS, SPANS, SPANS, HARM, HARM, HARM, HARM)
def test_figures_further_off_never_turn_a_no_into_a_yes(slope, intercept, gain, group, a, b, c, d):
    def off(span, centre, by):
        return moved(span, by if span.estimate >= centre else -by)

    def made(slope, intercept, gain, group):
        changed = with_figures(slope=slope, intercept=intercept, log_loss_gain=gain)
        return replace(changed, subgroups={CROSS_VALIDATION: (replace(MEN, intercept=group, certain=True),)})

    before = made(slope, intercept, gain, group)
    after = made(off(slope, 1, a), off(intercept, 0, b), moved(gain, c), off(group, 0, d))
    # An interval that does not hold its own middle of what is allowed can only move further away from it.
    if Span(1, 1, 1).overlaps(slope.low, slope.high) and Span(0, 0, 0).overlaps(intercept.low, intercept.high):
        assert decide(before).yes or not decide(after).yes
    if decide(before).yes is False and "skill (cross-validation)" in failed(before):
        assert "skill (cross-validation)" in failed(after)


@given(
    st.sampled_from(["card", "suspicions", "landmarks", "figures", "subgroups", "comparisons", "origins"]),
    st.booleans(),
)
def test_taking_evidence_away_never_helps(what, allow_simulated):
    poorer = {
        "card": ("model-card.html is absent",),
        "suspicions": None,
        "landmarks": (),
        "figures": (),
        "subgroups": {},
        "comparisons": (),
        "origins": {"training data": "simulated"},
    }[what]
    decision = decide(replace(SECOND, **{what: poorer}), allow_simulated=allow_simulated)
    assert decision.yes == (what == "origins" and allow_simulated)


def test_every_margin_is_used():
    strict = replace(
        MARGINS, slope=(1.5, 1.6), intercept=(0.5, 0.6), log_loss=0.0, slope_distance=-1.0, net_benefit=-1.0
    )
    worse = Span(0.01, 0.005, 0.015)
    evidence = with_comparison(log_loss=SAME, slope_distance=worse, net_benefit={0.1: moved(worse, -0.02)})
    assert decide(evidence).yes
    assert len(decide(evidence, margins=strict).failed) == 5
