"""The published figures in the package, the crosswalk, and the scores that come of it."""

import numpy as np
import pytest

from ketapredict.cohort.scales import SCALES
from ketapredict.simulate import Scenario, simulate_cohort
from ketapredict.simulate.crosswalk import from_madrs, knots, madrs_per_point, to_madrs
from ketapredict.simulate.evidence import compared_targets, crosswalk_rows, evidence_table
from ketapredict.simulate.ratings import improvement_from, scores_from


@pytest.mark.parametrize(
    ("name", "rows"), [("targets", 41), ("arms", 68), ("trajectory", 91), ("predictors", 57), ("crosswalk", 28)]
)
def test_every_row_has_a_source_and_a_tag(name, rows):
    table = evidence_table(name)
    assert len(table) == rows
    assert table["source"].notna().all()
    assert set(table["verification"]) <= {"confirmed", "partly", "derived", "memory", "assumption"}


@pytest.mark.parametrize("scale", sorted(SCALES))
def test_the_crosswalk_is_strictly_monotone_and_its_own_inverse(scale):
    native, madrs = knots(scale)
    assert (np.diff(native) > 0).all()
    assert (np.diff(madrs) > 0).all()
    totals = np.linspace(0, SCALES[scale].maximum, 301)
    np.testing.assert_allclose(from_madrs(to_madrs(totals, scale), scale), totals, atol=1e-9)
    step = 1e-6
    slope = (to_madrs(totals[1:-1] + step, scale) - to_madrs(totals[1:-1] - step, scale)) / (2 * step)
    inside = np.abs(slope - madrs_per_point(totals[1:-1], scale)) < 1e-3
    assert inside.mean() > 0.9  # a knot itself has two slopes


def test_the_crosswalk_is_near_the_published_anchors():
    """QIDS-SR16 6, 10, 11, 15, 16, 20, 21 on MADRS: 9, 17, 18, 24, 25, 33, 34 (PMID 24144585), within 1.5 points."""
    anchors = evidence_table("crosswalk")["madrs_anchor"]
    for total in (6, 10, 11, 15, 16, 20, 21):
        assert abs(to_madrs(np.array([total]), "QIDS-SR16")[0] - anchors[total]) <= 1.5
    assert to_madrs(np.array([20.0]), "HAMD-17")[0] == pytest.approx(26)
    assert (np.diff(crosswalk_rows()["hrsd17"]) >= 0).all()


@pytest.mark.parametrize("scale", ["MADRS", "QIDS-SR16", "HAMD-24"])
def test_scores_and_improvements_are_inverse(scale):
    totals = np.arange(1.0, 20.0)
    baseline = np.full(len(totals), 25.0)
    improvement, log_slope = improvement_from(totals, baseline, SCALES[scale])
    np.testing.assert_array_equal(scores_from(improvement[:, None], baseline, SCALES[scale])[:, 0], totals)
    step = 1e-5
    higher, lower = (improvement_from(totals + sign * step, baseline, SCALES[scale])[0] for sign in (1, -1))
    np.testing.assert_allclose(np.exp(log_slope)[1:5], -((higher - lower) / (2 * step))[1:5], rtol=0.7)


def test_scales_differ_as_the_crosswalk_says():
    means = {scale: simulate_cohort(5_000, 1, scale=scale)["score_baseline"].mean() for scale in ("MADRS", "QIDS-SR16")}
    assert to_madrs(np.array([means["QIDS-SR16"]]), "QIDS-SR16")[0] == pytest.approx(means["MADRS"], abs=1.0)
    assert 16 < means["QIDS-SR16"] < 18  # O'Brien 2023: 16.6
    assert Scenario(scale="QIDS-SR16").rating_scale.rater == "self"


def test_what_is_unconfirmed_is_named_by_codes():
    fields = evidence_table("arms")["unconfirmed_fields"].dropna()
    assert fields.str.fullmatch(r"[a-z0-9_]+(; [a-z0-9_]+)*").all(), fields.tolist()


def test_no_compared_target_rests_on_a_memory():
    assert not compared_targets()["figures"].str.contains("memory").any()


def test_targets_cite_the_study_that_their_figures_are_of():
    """Murrough 2013 is two studies: one infusion against midazolam, and six infusions in 24 patients."""
    targets, arms = evidence_table("targets").set_index("target"), evidence_table("arms").set_index("arm_id")
    single, repeated = arms.loc["murrough2013_ket", "doi_or_pmid"], arms.loc["murrough2013_rep", "doi_or_pmid"]
    for name, row in targets[targets["figures"].str.contains("Murrough")].iterrows():
        of_one = "24h" in str(name)
        assert (single in row["source"]) == of_one, name
        assert (repeated in row["source"]) == (not of_one), name
    assert arms.loc["zheng2018_mixed", "doi_or_pmid"] in targets.loc["post6_remission_openlabel_research", "source"]
    for cited in ("late-life", arms.loc["lipsitz2021_older", "doi_or_pmid"], "Shiroma", "Gutierrez"):
        assert cited in targets.loc["dropout_course", "source"]
