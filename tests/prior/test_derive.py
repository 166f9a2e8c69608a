"""The prior's sources: published effects, open trials, the simulator."""

import json
import math
import os
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import ndtr
from statsmodels.stats.meta_analysis import combine_effects

from ketapredict.cohort.columns import declared_columns
from ketapredict.cohort.protocols import BUILT_IN, PRE
from ketapredict.cohort.read import cohort_from_frame
from ketapredict.features.design import features_at
from ketapredict.model.fit import training_data
from ketapredict.model.prior import LINES
from ketapredict.prior.derive import line_through, open_trials
from ketapredict.prior.published import (
    EXCLUDED,
    TYPICAL_EFFECT,
    baseline_effects,
    contrasts,
    from_correlation,
    pooled,
    rate_spread,
)
from ketapredict.prior.relations import Point, points_of_trial
from ketapredict.simulate import simulate_cohort
from ketapredict.simulate.evidence import evidence_table


@pytest.fixture(scope="module")
def plain():
    return json.loads((files("ketapredict") / "data" / "prior.json").read_text("utf-8"))


def test_every_finding_is_a_confirmed_row_and_its_features_exist():
    rows = evidence_table("predictors").set_index("pred_id")
    features = {feature.name for feature in features_at(PRE, BUILT_IN["induction-course"])}
    assert declared_columns(BUILT_IN["induction-course"])
    for contrast in contrasts():
        assert set(contrast.features) <= features
        for finding in contrast.findings:
            assert finding.standard_error > 0
            for source in finding.sources:
                assert rows.loc[source, "verification"] == "confirmed", source


@pytest.mark.parametrize(
    ("row", "column", "figure"),
    [
        ("P39", "effect", "0.50 (0.21-0.80) ECT-resistant vs 1.00 (0.71-1.29)"),
        ("P24", "effect", "-0.27"),
        ("P25", "effect", "-0.41"),
        ("P23", "effect", "-0.37"),
        ("P35", "ci_or_p", "p .02"),
        ("P40", "effect", "3.56"),
        ("P40", "ci_or_p", "p .009"),
        ("P26", "effect", "0.28"),
        ("P41", "sensitivity", "0.8"),
        ("P41", "specificity", "0.85"),
        ("P30", "effect", "35% BD (n=66) vs 27% mixed (n=213)"),
        ("P20", "effect", "50.0% M vs 47.8% F"),
    ],
)
def test_the_figures_are_those_of_the_evidence(row, column, figure):
    rows = evidence_table("predictors").set_index("pred_id")
    assert figure in str(rows.loc[row, column])


def test_every_confirmed_row_is_used_or_excluded_with_a_reason():
    rows = evidence_table("predictors")
    confirmed = set(rows.loc[rows["verification"] == "confirmed", "pred_id"])
    used = {source for contrast in contrasts() for finding in contrast.findings for source in finding.sources}
    assert used | set(EXCLUDED) >= confirmed
    assert not used & set(EXCLUDED)
    assert set(EXCLUDED) <= confirmed


def test_all_published_effects_together_reach_what_is_believed_of_them():
    """An AUC near 0.60 before the infusion: that of a normal linear predictor of the SD found on simulated courses."""
    cohort = cohort_from_frame(simulate_cohort(4000, 5), BUILT_IN["induction-course"])
    frame = training_data(cohort, PRE, "response").frame
    linear = sum(
        effect.mean * frame[effect.feature].fillna(frame[effect.feature].mean())
        for effect in baseline_effects()
        if effect.feature in frame
    )
    assert 0.57 < ndtr(linear.std() / math.sqrt(2)) < 0.63


def test_clinics_differ_as_a_meta_analysis_says():
    spread, arms = rate_spread()
    table = evidence_table("arms").set_index("arm_id").loc[list(arms)]
    share = table["response_pct"].astype(float).to_numpy() / 100
    variance = 1 / (table["n"].astype(float) * share * (1 - share))
    other = combine_effects(np.log(share / (1 - share)), variance.to_numpy(), method_re="dl")
    assert spread == pytest.approx(math.sqrt(other.tau2 + other.sd_eff_w_re**2), rel=1e-6)


def test_directions_are_those_of_the_evidence():
    means = {effect.feature: effect.mean for effect in baseline_effects()}
    assert means["family_history_alcohol"] > 0
    assert means["bmi_kg_m2"] > 0
    for name in ("failed_ect", "log_prior_admissions", "log_suicide_attempts", "log_benzodiazepine_mg_per_day"):
        assert means[name] < 0, name
    assert means["age_years"] == 0


def test_pooling_agrees_with_statsmodels_and_is_drawn_to_zero():
    # The pair that lies apart: the other one's tau is cut off at 0, which statsmodels does not do.
    contrast = next(c for c in contrasts() if "log_benzodiazepine_mg_per_day" in c.features)
    values = [finding.log_odds_ratio for finding in contrast.findings]
    variances = [finding.standard_error**2 for finding in contrast.findings]
    other = combine_effects(np.array(values), np.array(variances), method_re="dl")
    mean, variance = pooled(contrast.findings)
    assert mean == pytest.approx(other.mean_effect_re)
    assert math.sqrt(variance) == pytest.approx(other.sd_eff_w_re)
    effect = next(e for e in baseline_effects() if e.feature == contrast.features[0])
    kept = TYPICAL_EFFECT**2 / (TYPICAL_EFFECT**2 + variance)
    assert effect.mean == pytest.approx(kept * mean / contrast.units)


def test_a_correlation_becomes_the_log_odds_ratio_of_a_threshold():
    """Chinn's conversion, met by a logistic regression on simulated numbers."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=200_000)
    y = 0.3 * x + math.sqrt(1 - 0.09) * rng.logistic(scale=math.sqrt(3) / math.pi, size=len(x)) > 0.2
    slope = sm.Logit(y.astype(float), sm.add_constant(x)).fit(disp=0).params[1]
    assert from_correlation(0.3, 100)[0] == pytest.approx(slope, rel=0.03)


def test_a_line_through_points_is_the_weighted_one_and_narrows_with_trials():
    rng = np.random.default_rng(2)
    times = rng.random(8)
    points = [Point("alone", "x", "24h", float(t), float(1 + 2 * t), 0.3, 0, 0) for t in times]
    line, tau = line_through(points, 2)
    assert (line.start, line.slope) == (pytest.approx(1, abs=1e-3), pytest.approx(2, abs=1e-3))
    assert tau == 0
    assert line_through(points, 8)[0].spread < line.spread
    apart = [replace(point, value=point.value + 2 * (-1) ** k) for k, point in enumerate(points)]
    assert line_through(apart, 2)[1] > 1
    values, errors = np.array([p.value for p in apart]), np.full(8, 0.3)
    tau2 = line_through(apart, 2)[1] ** 2
    fit = sm.WLS(values, sm.add_constant(times), weights=1 / (errors**2 + tau2)).fit()
    assert line_through(apart, 2)[0].slope == pytest.approx(fit.params[1], rel=1e-3)


def test_the_file_holds_its_sources_apart(plain):
    assert plain["statement"].startswith("From published evidence")
    for outcome in ("response", "remission"):
        points = plain["outcomes"][outcome]["points"]
        assert {point["line"] for point in points} == set(LINES)
        assert {point["source"].split()[0] for point in points} == {"dia_hamd17", "riesby_hdrs", "simulator"}
    assert plain["outcomes"]["remission"]["baseline"] == []


def test_the_trials_points_are_found_again_in_the_trials(realdata, plain):
    for name, cohort in open_trials(realdata).items():
        for outcome in ("response", "remission"):
            held = [p for p in plain["outcomes"][outcome]["points"] if p["source"] == name]
            found = points_of_trial(name, cohort, outcome)
            assert len(held) == len(found)
            for one, point in zip(held, found, strict=True):
                assert (one["line"], one["landmark"]) == (point.line, point.landmark)
                assert one["value"] == pytest.approx(point.value, rel=1e-3, abs=1e-4)
                assert one["standard_error"] == pytest.approx(point.standard_error, rel=1e-3, abs=1e-4)


def test_a_trials_coefficient_agrees_with_statsmodels(realdata):
    cohort = open_trials(realdata)["dia_hamd17"]
    data = training_data(cohort.subset(cohort.active), "w2", "response")
    X = sm.add_constant(data.frame[["early_improvement_w2"]].fillna(data.frame.mean()))
    fit = sm.Logit(data.labels, X).fit(disp=0)
    point = next(p for p in points_of_trial("x", cohort, "response") if (p.line, p.landmark) == ("alone", "w2"))
    assert point.value == pytest.approx(fit.params.iloc[1], rel=1e-4)
    assert point.standard_error == pytest.approx(fit.bse.iloc[1], rel=1e-3)


@pytest.mark.slow
def test_deriving_it_again_gives_the_same(realdata, plain):
    from ketapredict.prior.derive import derive, simulated_cohorts

    again = json.loads(json.dumps(derive(open_trials(realdata), simulated_cohorts())))
    for outcome in ("response", "remission"):
        lines, held = again["outcomes"][outcome]["lines"], plain["outcomes"][outcome]["lines"]
        for name in LINES:
            assert lines[name] == pytest.approx(held[name], rel=2e-3, abs=2e-4), name
    assert again["published"] == plain["published"]
    assert os.environ.get("CI") is None or again == plain
