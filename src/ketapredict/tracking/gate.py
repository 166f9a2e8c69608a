"""The gate: may this version become the champion? A decision from plain figures, without a store.

What the floors ask is that nothing speaks against a model: an interval that is compatible with what is
asked passes, however wide. Alone they would let the smallest cohort through most easily, since it can show
least against its model. So two things are asked that only evidence can give: every figure must exist (none
exists with fewer events than `validate.measures` asks for), and at one landmark at least the model must be
better than predicting the prevalence with certainty. A landmark at which it is not stays allowed: before
treatment little is known, and a model that says so is honest.

Against the champion, the burden is the challenger's for the log-loss, which is a proper score and says it
all: it must be shown not to be worse by the margin. Slope and net benefit guard against a bad trade behind
an equal log-loss; they are noise at landmarks where predictions hardly vary (two runs on the same 345
courses before treatment, differing in the folds only: |slope - 1| differs by 0.17, -0.71 to 0.75), so they
stop a challenger that is shown to be worse.

Naming a hold-out adds evidence and takes none away: what the cross-validation says against a model stands.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ketapredict.tracking.evidence import Check, Comparison, Decision, Evidence, Figures, Source, Span, Verdict
from ketapredict.validate.measures import MEASURES
from ketapredict.validate.replicates import INTERCEPT, SLOPE


@dataclass(frozen=True, slots=True)
class Margins:
    """Every number that the gate holds a model to.

    Attributes
    ----------
    slope : tuple of float
        The interval of the calibration slope must overlap it. 0.8 to 1.2 (issue 4).
    intercept : tuple of float
        The interval of the calibration intercept must overlap it, log-odds. 0.3 is seven percentage points
        at a probability of one half.
    log_loss : float
        The challenger's log-loss must be shown to exceed the champion's by less, nats. A fifth of what
        learners gain over the prevalence in real trials (0.66 to 0.55, DESIGN); the same as log-odds off
        by 0.4 everywhere, since at one half the loss of a shift d is d^2 / 8.
    slope_distance : float
        |slope - 1| may be larger by as much: half of what the floor allows.
    net_benefit : float
        Net benefit may be smaller by as much at each threshold: two courses with the outcome in a hundred.
    """

    slope: tuple[float, float] = (0.8, 1.2)
    intercept: tuple[float, float] = (-0.3, 0.3)
    log_loss: float = 0.02
    slope_distance: float = 0.1
    net_benefit: float = 0.02


MARGINS = Margins()


def decide(evidence: Evidence, *, allow_simulated: bool = False, margins: Margins = MARGINS) -> Decision:
    """Check everything and decide: yes if nothing fails.

    Parameters
    ----------
    evidence : Evidence
    allow_simulated : bool
        Whether data that are not real may count.
    margins : Margins

    Returns
    -------
    Decision
    """
    checks = [_real(evidence, allowed=allow_simulated), _card(evidence), _leakage(evidence)]
    for source in evidence.sources:
        own = {figures.landmark: figures for figures in evidence.figures if figures.source == source}
        figures = [own.get(landmark, Figures(source, landmark)) for landmark in evidence.landmarks]
        for one in figures:
            checks += _floors(one, margins)
        checks.append(_skill(figures, source))
        checks.append(_subgroups(evidence, source, margins))
    checks += _against_champion(evidence, margins)
    yes = all(check.verdict != "fail" for check in checks)
    return Decision(yes, _word(evidence) if yes else "", tuple(checks))


def _real(evidence: Evidence, *, allowed: bool) -> Check:
    others = {what: origin for what, origin in evidence.origins.items() if origin != "real"}
    requirement = "training data and hold-out are of real courses, unless --allow-simulated"
    told = ", ".join(f"the {what} is {origin}" for what, origin in others.items())
    if not others:
        return Check("real data", "pass", requirement, "All data are of real courses.", dict(evidence.origins))
    if allowed:
        reason = f"Allowed by --allow-simulated: {told}."
        return Check("real data", "not applicable", requirement, reason, dict(evidence.origins))
    reason = f"No patient stands behind it: {told}."
    return Check("real data", "fail", requirement, reason, dict(evidence.origins))


def _card(evidence: Evidence) -> Check:
    requirement = "the run holds the model card, and it names this model's SHA-256"
    if evidence.card:
        return Check("model card", "fail", requirement, f"Of the card {'; '.join(evidence.card)}.")
    return Check("model card", "pass", requirement, "The card is there and is this model's.")


def _leakage(evidence: Evidence) -> Check:
    requirement = "no suspicion of leakage stands in the run"
    if evidence.suspicions is None:
        reason = "The run does not say whether leakage was looked for."
        return Check("leakage", "fail", requirement, reason)
    if evidence.suspicions:
        reason = " ".join(evidence.suspicions)
        return Check("leakage", "fail", requirement, reason, {"suspicions": len(evidence.suspicions)})
    return Check("leakage", "pass", requirement, "Nothing is too good to be true.", {"suspicions": 0})


def _floors(figures: Figures, margins: Margins) -> Iterator[Check]:
    where = f"{figures.landmark} ({figures.source})"
    sizes = f"{figures.courses} courses, {figures.events} with the outcome"
    for name, measure, span, (low, high) in (
        ("calibration slope", SLOPE, figures.slope, margins.slope),
        ("calibration intercept", INTERCEPT, figures.intercept, margins.intercept),
    ):
        requirement = f"95% interval overlaps {low:g} to {high:g}"
        found = {name: span.plain(), "courses": figures.courses, "events": figures.events}
        if not span.told:
            verdict, reason = _fail(f"{_untold(figures, measure)} ({sizes}); what cannot be told is no pass.")
        elif span.overlaps(low, high):
            verdict, reason = _pass(f"{span} is compatible with it.")
        else:
            verdict, reason = _fail(f"{span} is certainly outside it.")
        yield Check(f"{name} at {where}", verdict, requirement, reason, found)
    span, requirement = figures.log_loss_gain, "95% interval of log-loss minus that of the prevalence reaches 0 or less"
    if not span.told:
        verdict, reason = _fail(f"Too few courses to say ({sizes}); what cannot be told is no pass.")
    elif span.low > 0:
        verdict, reason = _fail(f"{span}: certainly worse than predicting the prevalence.")
    else:
        verdict, reason = _pass(f"{span}: not certainly worse than predicting the prevalence.")
    yield Check(f"log-loss at {where}", verdict, requirement, reason, {"log_loss_minus_prevalence": span.plain()})


def _untold(figures: Figures, measure: str) -> str:
    """Say why calibration cannot be told: too few of either class, predictions that separate them, or neither."""
    if min(figures.events, figures.courses - figures.events) < MEASURES[measure].min_events:
        return "Too few courses to say"
    gain = figures.log_loss_gain
    if measure == SLOPE and gain.told and gain.high < 0:
        where = "in many resamples" if math.isfinite(figures.slope.estimate) else "perfectly"
        return f"Separation: the predictions tell the outcomes apart {where}, so the slope has no end"
    return "No figure could be made of the predictions; they may not vary"


def _skill(figures: list[Figures], source: Source) -> Check:
    name, requirement = f"skill ({source})", "certainly better than predicting the prevalence at one landmark or more"
    better = [one.landmark for one in figures if one.log_loss_gain.told and one.log_loss_gain.high < 0]
    if better:
        reason = f"The whole interval of the log-loss is under that of the prevalence at {', '.join(better)}."
        return Check(name, "pass", requirement, reason, {"landmarks": better})
    reason = "At no landmark is the model shown to know more than the prevalence: more courses are needed."
    return Check(name, "fail", requirement, reason, {"landmarks": []})


def _subgroups(evidence: Evidence, source: Source, margins: Margins) -> Check:
    """Refuse a subgroup that is off with certainty over all subgroups, and by more than the margin.

    The first holds the chance of a false alarm at 5% over a landmark's subgroups (Bonferroni, in
    `validate.subgroups`); at 95% each, one of 15 would be off in half of all reports. The second keeps
    large cohorts from failing over what does not matter.
    """
    low, high = margins.intercept
    name = f"subgroups ({source})"
    requirement = f"no subgroup certainly miscalibrated, with its 95% interval outside {low:g} to {high:g}"
    groups = evidence.subgroups.get(source)
    if groups is None:
        return Check(name, "fail", requirement, "There is no table of subgroups.")
    able = [group for group in groups if group.intercept.told]
    found = {"subgroups": len(groups), "large_enough_to_say": len(able)}
    off = [group for group in able if group.certain and not group.intercept.overlaps(low, high)]
    if off:
        named = "; ".join(f"{one.variable} {one.level} at {one.landmark}: {one.intercept}" for one in off)
        return Check(name, "fail", requirement, f"Certainly miscalibrated: {named}.", found | {"off": named})
    if not able:
        # Every cohort has subgroups too small to judge; asking for them would refuse every cohort.
        return Check(name, "not applicable", requirement, "No subgroup is large enough to say.", found)
    reason = f"None of the {len(able)} that are large enough to say; {len(groups) - len(able)} are too small."
    return Check(name, "pass", requirement, reason, found)


def _against_champion(evidence: Evidence, margins: Margins) -> Iterator[Check]:
    name = "against the champion"
    if evidence.champion is None:
        yield Check(name, "not applicable", "not worse than the champion", "There is no champion yet.")
        return
    lost = [landmark for landmark in evidence.champion_landmarks if landmark not in evidence.landmarks]
    requirement, found = "has every landmark of the champion", {"champion": evidence.champion, "lost": lost}
    if lost:
        reason = f"Version {evidence.champion} predicts at {', '.join(lost)}, this version does not."
        yield Check(f"{name}: landmarks", "fail", requirement, reason, found)
    else:
        yield Check(f"{name}: landmarks", "pass", requirement, "It has.", found)
    both = [landmark for landmark in evidence.landmarks if landmark in evidence.champion_landmarks]
    if not both or not evidence.compared_on:
        yield Check(f"{name}: log-loss", "fail", "compared on the same courses", "Nothing could be compared.")
    compared = {(one.source, one.landmark): one for one in evidence.comparisons}
    for source in evidence.compared_on:
        for landmark in both:
            absent = Comparison(source, landmark, Span(), Span(), {})
            yield from _not_worse(compared.get((source, landmark), absent), margins)


def _not_worse(one: Comparison, margins: Margins) -> Iterator[Check]:
    where = f"{one.landmark} ({one.source})"
    loss, requirement = one.log_loss, f"95% interval of challenger minus champion ends under {margins.log_loss:g}"
    if not loss.told:
        verdict, reason = _fail("Too few courses to compare; what cannot be told is no pass.")
    elif loss.high < margins.log_loss:
        verdict, reason = _pass(f"{loss}: {'better' if loss.high < 0 else 'not worse by the margin'}.")
    elif loss.low > 0:
        verdict, reason = _fail(f"{loss}: certainly worse.")
    else:
        verdict, reason = _fail(f"{loss}: it may be worse by more than the margin; more courses would tell.")
    found = {"challenger_minus_champion": loss.plain()}
    yield Check(f"log-loss against the champion at {where}", verdict, requirement, reason, found)
    # In units of harm: how much larger |slope - 1| is, how much smaller net benefit is.
    guards = {"|slope - 1|": (one.slope_distance, 1.0, margins.slope_distance)}
    for threshold, span in one.net_benefit.items():
        guards[f"net benefit at {threshold:g}"] = (span, -1.0, margins.net_benefit)
    for name, (span, sign, margin) in guards.items():
        requirement = f"not certainly {'larger' if sign > 0 else 'smaller'}, and by more than {margin:g}"
        least = span.low if sign > 0 else -span.high
        if not span.told:
            verdict, reason = _fail("Too few courses to compare; what cannot be told is no pass.")
        elif sign * span.estimate > margin and least > 0:
            verdict, reason = _fail(f"{span}: certainly worse, and by more than the margin.")
        else:
            verdict, reason = _pass(f"{span}: not shown to be worse by more than the margin.")
        found = {"challenger_minus_champion": span.plain()}
        yield Check(f"{name} against the champion at {where}", verdict, requirement, reason, found)


def _word(evidence: Evidence) -> str:
    if evidence.champion is None:
        return "first champion"
    highest = [one.log_loss.high for one in evidence.comparisons if one.landmark in evidence.landmarks]
    return "better" if min(highest, default=math.inf) < 0 else "not worse"


def _pass(reason: str) -> tuple[Verdict, str]:
    return "pass", reason


def _fail(reason: str) -> tuple[Verdict, str]:
    return "fail", reason
