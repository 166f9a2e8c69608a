import re
from functools import cache
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from ketapredict.model.bundle import STATEMENTS
from ketapredict.report.figures import (
    beeswarm_figure,
    binned_dependence,
    calibration_figure,
    calibration_instability_figure,
    decision_figure,
    dependence_figure,
    instability_figure,
    learning_figure,
    site_figure,
    subgroup_figure,
)
from ketapredict.report.figures.decision import better_than_all_others
from ketapredict.report.figures.dependence import FEWEST_PER_BIN
from ketapredict.report.figures.instability import binned
from ketapredict.validate.by_site import POOLED_COLUMNS, SITE_COLUMNS
from ketapredict.validate.calibration_curve import calibration_curve
from ketapredict.validate.decision_curve import COLUMNS as DECISION_COLUMNS
from ketapredict.validate.decision_curve import decision_curve
from ketapredict.validate.learning_curve import COLUMNS as LEARNING_COLUMNS
from ketapredict.validate.small_groups import without_small_subgroups
from ketapredict.validate.subgroups import COLUMNS as SUBGROUP_COLUMNS
from ketapredict.validate.subgroups import subgroup_table

STATEMENT = STATEMENTS["simulated"]
FIRST_LINE = "SIMULATED: trained on simulated courses."
N = 266
CONCEPTS = [f"concept <{k}> & more" for k in range(14)]


def predictions(n=N, seed=0):
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-rng.normal(0.2, 1.0, n)))
    return (rng.random(n) < p).astype(float), p


def decisions():
    y, p = predictions()
    rng = np.random.default_rng(0)
    return decision_curve(y, p, np.arange(N), rng, p > 0.4, n_bootstrap=50)


def moved_courses(n=N):
    _, p = predictions(n)
    half = 0.2 * p * (1 - p)
    return pd.DataFrame({"probability": p, "low": p - half, "high": p + half, "mape": half / 2, "changed": 0.1})


def calibration_curves(number=200):
    at = np.linspace(0.1, 0.9, 50)
    slopes = np.random.default_rng(0).normal(1, 0.2, (number, 1))
    curves = 1 / (1 + np.exp(-slopes * np.log(at / (1 - at))))
    curves[:20, :5] = np.nan
    return at, curves


def sizes():
    records = []
    for share in (0.25, 0.5, 1.0):
        rest = (0.01, -0.02, 0.04)
        records.append((share, 200 * share, 90 * share, "log_loss", 0.7 - 0.05 * share, 0.6, 0.8, *rest))
        records.append((share, 200 * share, 90 * share, "auc", 0.6 + 0.05 * share, 0.5, 0.7, *rest))
    return pd.DataFrame(records, columns=LEARNING_COLUMNS)


def sites():
    measures = {"auc": 0.713, "calibration_slope": 0.92, "calibration_intercept": -0.11, "net_benefit_0.3": 0.2}
    records = [
        (site, many, 60, 31, name, "identity", value, value - 0.2, value + wide, 0.1, "")
        for site, many, wide in (("North", 1, 0.2), ("South", 1, 9.0), ("smaller sites", 4, np.nan))
        for name, value in measures.items()
    ]
    pooled = [(name, "identity", v, v - 0.1, v + 0.1, 3, 0.1, 0.2, v - 0.3, v + 0.3) for name, v in measures.items()]
    return pd.DataFrame(records, columns=[*SITE_COLUMNS, "told"]), pd.DataFrame(pooled, columns=POOLED_COLUMNS)


def subgroups():
    y, p = predictions()
    variables = pd.DataFrame({"sex": ["other"] * 3 + ["female"] * 160 + ["male"] * 103, "site": "S1"})
    variables.loc[:11, "site"] = "S2"
    table = subgroup_table(y, p, np.arange(N), variables, np.random.default_rng(0), n_bootstrap=50)
    return without_small_subgroups(table)


def moved(n=N):
    rng = np.random.default_rng(0)
    values = rng.random((n, len(CONCEPTS)))
    contributions = (values - 0.5) * np.linspace(2, 0.01, len(CONCEPTS))
    values[rng.random(values.shape) < 0.1] = np.nan
    return contributions, values


def features():
    rng = np.random.default_rng(0)
    age = rng.uniform(18, 80, N).round()
    trials = np.where(rng.random(N) < 0.2, np.nan, rng.integers(0, 6, N))
    return [
        ("age (years)", binned_dependence(age, 0.01 * age)),
        ("failed treatments", binned_dependence(trials, np.nan_to_num(0.1 * trials, nan=-0.3))),
    ]


def curve():
    y, p = predictions()
    return calibration_curve(y, p, np.arange(N), np.random.default_rng(0), 50).curve


FIGURES = {
    "calibration": (
        lambda: calibration_figure(STATEMENT, "24h", *predictions(), curve()),
        ["observed share with the outcome", "predicted probability (out of fold)", "n = 54, 53, 53, 53, 53",
         "266"],
    ),
    "decision": (
        lambda: decision_figure(STATEMENT, "24h", decisions()),
        ["threshold: the probability of the outcome at which one would be in doubt", "net benefit",
         "treat all: ", "treat none: ", "20% rule: "],
    ),
    "instability": (
        lambda: instability_figure(STATEMENT, "24h", moved_courses()),
        ["reported probability", "probability by the refits", "mean absolute difference (MAPE)", "10% of the refits"],
    ),
    "instability of many": (
        lambda: instability_figure(STATEMENT, "24h", moved_courses(3000)),
        ["instability of 3000 predictions", "Means of twentieths of the courses"],
    ),
    "calibration instability": (
        lambda: calibration_instability_figure(STATEMENT, "24h", *calibration_curves()),
        ["probability by the refit", "100 of 200 refits drawn", "median of the refits"],
    ),
    "learning": (
        lambda: learning_figure(STATEMENT, "24h", sizes()),
        ["courses trained on", "log-loss", "AUC", "0.650", "From 100 to 200 courses the AUC moved by 0.010"],
    ),
    "sites": (
        lambda: site_figure(STATEMENT, "24h", *sites()),
        ["North", "smaller sites (4 sites)", "n=60, 31 with outcome", "0.71 (0.51 to 0.91)", "calibration slope",
         "calibration-in-the-large", "0.71 (no interval)", "pooled", "at another site", "0.41 to 1.01"],
    ),
    "beeswarm": (
        lambda: beeswarm_figure(STATEMENT, "24h", CONCEPTS, *moved()),
        ["contribution to the log-odds", "concept <0> & more", "not known", "low", "high"],
    ),
    "beeswarm of many": (
        lambda: beeswarm_figure(STATEMENT, "24h", CONCEPTS, *moved(5000)),
        ["a sample of 400 of 5000 courses"],
    ),
    "dependence": (
        lambda: dependence_figure(STATEMENT, "24h", features()),
        ["age (years)", "failed treatments", "contribution (log-odds)", "none missing", "missing: "],
    ),
    "subgroups": (
        lambda: subgroup_figure(STATEMENT, "24h", subgroups()),
        ["observed / expected (95% interval)", "female", "too few to say", "n=12", "n<5"],
    ),
}  # fmt: skip


@cache
def drawing(name):
    return FIGURES[name][0]()


@pytest.fixture(params=FIGURES)
def drawn(request):
    _, words = FIGURES[request.param]
    return drawing(request.param), request.param, words


def words_of(svg):
    return "\n".join(ElementTree.fromstring(svg).itertext())


def drawn_words(svg):
    root = ElementTree.fromstring(svg)
    return "\n".join(text for element in root.iter("{http://www.w3.org/2000/svg}text") for text in element.itertext())


def test_figures_say_what_they_show(drawn):
    svg, _, words = drawn
    shown = drawn_words(svg)
    assert shown.startswith(FIRST_LINE) or f"\n{FIRST_LINE}" in f"\n{shown}"
    assert "Landmark 24 h: " in shown
    for word in words:
        assert word in shown.replace("\n", " "), word


def test_figures_are_the_same_bytes_each_time_and_small(drawn):
    svg, name, _ = drawn
    assert FIGURES[name][0]() == svg
    assert len(svg.encode()) < 80_000


def test_figures_are_named_for_readers_who_hear_the_page(drawn):
    root = ElementTree.fromstring(drawn[0])
    assert root.get("role") == "img"
    assert root.get("aria-label").startswith(FIRST_LINE)
    assert root.find("{http://www.w3.org/2000/svg}title").text == root.get("aria-label")
    described = root.find("{http://www.w3.org/2000/svg}desc")
    assert described.get("id") == root.get("aria-describedby")
    assert re.search(r"\d", described.text)
    assert 560 <= int(root.get("width")) <= 720


def test_figures_bring_nothing_that_reaches_into_the_page(drawn):
    svg = drawn[0]
    assert svg.startswith("<svg")
    assert "<style" not in svg
    assert "<metadata" not in svg
    ids = re.findall(r' id="([^"]+)"', svg)
    assert len(ids) == len(set(ids))
    referred = re.findall(r'(?:href="|url\()#([^")]+)', svg)
    assert set(referred) <= set(ids)


def test_ids_of_figures_on_one_page_do_not_clash():
    pages = [drawing(name) for name in FIGURES]
    pages += [calibration_figure(STATEMENT, landmark, *predictions()) for landmark in ("pre", "24h")]
    ids = [name for svg in pages for name in set(re.findall(r' id="([^"]+)"', svg))]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "draw",
    [
        lambda: calibration_figure(STATEMENT, "pre", np.array([]), np.array([])),
        lambda: calibration_figure(STATEMENT, "pre", *predictions(20), curve().assign(observed=np.nan)),
        lambda: decision_figure(STATEMENT, "pre", pd.DataFrame(columns=DECISION_COLUMNS)),
        lambda: decision_figure(STATEMENT, "pre", decisions().assign(net_benefit=np.nan, low=np.nan, high=np.nan)),
        lambda: instability_figure(STATEMENT, "pre", moved_courses().iloc[:0]),
        lambda: instability_figure(STATEMENT, "pre", moved_courses().assign(low=np.nan)),
        lambda: calibration_instability_figure(STATEMENT, "pre", np.linspace(0, 1, 5), np.full((3, 5), np.nan)),
        lambda: calibration_instability_figure(STATEMENT, "pre", np.linspace(0, 1, 5), np.empty((0, 5))),
        lambda: learning_figure(STATEMENT, "pre", pd.DataFrame(columns=LEARNING_COLUMNS)),
        lambda: learning_figure(STATEMENT, "pre", sizes().query("measure == 'auc'").assign(gain=np.nan)),
        lambda: site_figure(STATEMENT, "pre", pd.DataFrame(columns=SITE_COLUMNS), pd.DataFrame(columns=POOLED_COLUMNS)),
        lambda: site_figure(STATEMENT, "pre", sites()[0].assign(estimate=np.nan), sites()[1].iloc[:0]),
        lambda: site_figure(STATEMENT, "pre", sites()[0], sites()[1].assign(prediction_low=np.nan)),
        lambda: subgroup_figure(STATEMENT, "pre", pd.DataFrame(columns=SUBGROUP_COLUMNS)),
        lambda: subgroup_figure(STATEMENT, "pre", subgroups().assign(estimate=np.nan, low=np.nan, high=np.nan)),
        lambda: beeswarm_figure(STATEMENT, "pre", [], np.empty((0, 0))),
        lambda: beeswarm_figure(STATEMENT, "pre", ["age"], np.full((30, 1), np.nan)),
        lambda: dependence_figure(STATEMENT, "pre", []),
        lambda: dependence_figure(STATEMENT, "pre", [("age", binned_dependence(np.full(30, np.nan), np.zeros(30)))]),
    ],
)
def test_what_cannot_be_estimated_is_said(draw):
    svg = draw()
    assert FIRST_LINE in drawn_words(svg)
    assert "not estimable" in words_of(svg)


def test_statement_of_a_real_model_is_the_first_line_too():
    svg = calibration_figure(STATEMENTS["real"], "pre", *predictions())
    assert "Trained on real courses (their hash is in the provenance)." in drawn_words(svg)


@pytest.mark.parametrize("n", [N, 1000])
def test_dots_of_one_row_cannot_be_linked_to_those_of_another(n):
    contributions, values = moved(n)
    drawn = beeswarm_figure(STATEMENT, "24h", CONCEPTS, contributions, values)
    rng = np.random.default_rng(1)
    for concept in (0, 3):
        shuffled = rng.permutation(n)
        contributions[:, concept], values[:, concept] = contributions[shuffled, concept], values[shuffled, concept]
    assert beeswarm_figure(STATEMENT, "24h", CONCEPTS, contributions, values) == drawn


def test_beeswarm_draws_at_most_four_hundred_courses_and_twelve_concepts_by_size():
    svg = beeswarm_figure(STATEMENT, "24h", CONCEPTS, *moved(1000))
    assert svg.count("h0") == 400 * 12
    shown = drawn_words(svg)
    assert shown.index("concept <0>") < shown.index("concept <11>")
    assert "concept <12>" not in shown


def test_beeswarm_of_single_patients_is_not_drawn():
    assert "not estimable: fewer than 10 courses" in drawn_words(
        beeswarm_figure(STATEMENT, "24h", ["age"], np.ones((9, 1)))
    )


def test_instability_does_not_depend_on_the_order_of_courses():
    courses = moved_courses()
    shuffled = courses.sample(frac=1, random_state=0)
    assert instability_figure(STATEMENT, "24h", shuffled) == instability_figure(STATEMENT, "24h", courses)


def test_twentieths_hold_every_course():
    courses = moved_courses(1003)
    means = binned(courses)
    assert len(means) == 20
    assert means["probability"].is_monotonic_increasing
    assert means["mape"].mean() == pytest.approx(courses["mape"].mean(), rel=0.01)


@pytest.mark.parametrize("n", [10, 19, 20, 83, 1000])
@pytest.mark.parametrize("levels", [2, 7, 10_000])
def test_bins_hold_at_least_ten_courses_and_every_known_one(n, levels):
    rng = np.random.default_rng(n)
    values = rng.integers(0, levels, n).astype(float)
    contribution = 0.1 * values
    found = binned_dependence(values, contribution)
    assert found.bins["courses"].sum() == n
    assert found.bins["courses"].min() >= FEWEST_PER_BIN
    assert len(found.bins) <= 8
    assert found.bins["value"].is_monotonic_increasing
    np.testing.assert_allclose(found.bins["mean"], 0.1 * found.bins["value"])
    assert (found.bins["p10"] <= found.bins["p90"]).all()


def test_bins_by_hand():
    values = np.repeat([1.0, 2.0, 3.0, np.nan], [12, 30, 4, 11])
    contribution = np.repeat([-0.5, 0.25, 1.0, -0.1], [12, 30, 4, 11])
    found = binned_dependence(values, contribution, n_bins=4)
    # 46 known values: twelve to a bin; the four of the highest value join the bin before.
    assert found.bins["courses"].tolist() == [12, 34]
    np.testing.assert_allclose(found.bins["value"], [1.0, (30 * 2 + 4 * 3) / 34])
    np.testing.assert_allclose(found.bins["mean"], [-0.5, (30 * 0.25 + 4) / 34])
    assert (found.missing, found.missing_mean) == (11, pytest.approx(-0.1))
    assert found.missing_text == "missing: 19%"


def test_few_missing_values_are_not_counted_in_public():
    values = np.r_[np.arange(30.0), [np.nan] * 9]
    found = binned_dependence(values, np.zeros(39))
    assert np.isnan(found.missing_mean)
    assert found.missing_text == "missing: under 10"


def test_an_empty_panel_takes_no_ticks_from_its_neighbours():
    empty = ("age", binned_dependence(np.full(30, np.nan), np.zeros(30)))
    shown = drawn_words(dependence_figure(STATEMENT, "24h", [*features(), empty]))
    assert "not estimable" in shown
    assert "\n0.2\n" in shown


def test_stretches_where_the_model_is_better_than_all_others():
    gains = {"treat all": [0.1, 0.1, -0.1, 0.1], "treat none": [0.1, 0.1, 0.1, 0.1], "model": [np.nan] * 4}
    table = pd.DataFrame(
        [(name, t, low) for name, lows in gains.items() for t, low in zip((0.1, 0.2, 0.3, 0.4), lows, strict=True)],
        columns=["strategy", "threshold", "gain_low"],
    )
    assert better_than_all_others(table) == [(0.1, 0.2), (0.4, 0.4)]


def test_outcomes_of_a_small_subgroup_cannot_be_had_by_subtraction():
    shown = drawn_words(subgroup_figure(STATEMENT, "24h", subgroups()))
    # Three courses are hidden; with the men's outcomes told they would be the rest of the known total.
    assert "n=103" in shown.split("\n")
    assert re.search(r"n=160, \d+ with outcome", shown)
    # Of two sites, one hidden, the other's outcomes would tell.
    assert {"n=254", "n=12"} <= set(shown.split("\n"))


def test_a_certainly_miscalibrated_subgroup_is_called_so_in_words():
    table = subgroups()
    table.loc[(table["level"] == "male"), "certainly_miscalibrated"] = True
    assert drawn_words(subgroup_figure(STATEMENT, "24h", table)).count("certainly off") == 1
