"""Scores over time: what is drawn is what the table says."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.cohort.scales import SCALES
from ketapredict.model.score_bands import ScoreBand
from ketapredict.web.patient.bar import probability_bar_svg
from ketapredict.web.patient.scores import scores_over_time, scores_svg

MADRS = SCALES["MADRS"]
COURSE_OF_SIX = BUILT_IN["induction-course"]
BANDS = (
    ScoreBand("baseline", True, 30, (0.4, 0.45, 0.5, 0.55, 0.6)),
    ScoreBand("baseline", False, 25, (0.4, 0.45, 0.5, 0.55, 0.6)),
    ScoreBand("24h", True, 30, (0.1, 0.2, 0.3, 0.4, 0.5)),
)
VALUES = {"score_baseline": 30.0, "score_40min": np.nan, "score_24h": 12.0, "score_end": None}


def test_points_are_of_the_patients_scale_and_only_what_is_known_stands_there():
    points = scores_over_time(VALUES, COURSE_OF_SIX, MADRS, BANDS)
    assert [at.time_point for at in points] == ["baseline", "24h"]
    assert [at.score for at in points] == [30.0, 12.0]
    group = points[1].with_outcome
    assert group is not None
    assert (group.lower, group.median, group.upper) == pytest.approx((12.0, 18.0, 24.0))
    assert points[1].without_outcome is None  # fewer than 20 courses: not in the bundle


def test_the_picture_is_well_formed_and_says_its_numbers():
    points = scores_over_time(VALUES, COURSE_OF_SIX, MADRS, BANDS)
    text = scores_svg(points, MADRS, "response", "24h", 15.0)
    root = ET.fromstring(text)
    assert root.get("role") == "img"
    assert "baseline 30; 24 h 12" in root.get("aria-label")
    assert "estimate made here" in text
    assert "response: 15 or less" in text
    assert not re.search(r"style=|https?://(?!www\.w3\.org)|<script", text)


def test_a_higher_score_stands_higher():
    points = scores_over_time(VALUES, COURSE_OF_SIX, MADRS, BANDS)
    circles = re.findall(
        r'<circle cx="([\d.]+)" cy="([\d.]+)" r="5" fill="#111" stroke="#fff"',
        scores_svg(points, MADRS, "response", "24h"),
    )
    (x_first, y_first), (x_second, y_second) = [(float(x), float(y)) for x, y in circles]
    assert x_first < x_second
    assert y_first < y_second  # 30 points above 12; y grows downward


def test_without_bands_or_ratings_there_is_still_a_picture():
    points = scores_over_time({"score_baseline": 30.0}, COURSE_OF_SIX, MADRS, ())
    ET.fromstring(scores_svg(points, MADRS, "response", "pre"))


@pytest.mark.parametrize("probability", [0.001, 0.33, 0.999])
def test_the_bar_says_its_numbers_and_stays_inside(probability):
    text = probability_bar_svg(probability, max(probability - 0.2, 0.0), min(probability + 0.2, 1.0), 0.52)
    root = ET.fromstring(text)
    assert "training courses 52%" in root.get("aria-label")
    assert "90% interval" in root.get("aria-label")
    width = float(root.get("width"))
    for element in root.iter():
        for name in ("cx", "x1", "x2", "x"):
            if element.get(name):
                assert 0 <= float(element.get(name)) <= width


def test_a_model_without_intervals_gets_no_bar():
    text = probability_bar_svg(0.4, None, None, 0.5)
    assert "interval" not in text
