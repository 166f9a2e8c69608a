"""The model card: complete, honest in its first line, computable by hand, and nobody's row in it."""

import csv
import io
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import BSpline

from ketapredict.cohort.read import cohort_from_frame
from ketapredict.report.card.card import model_card
from ketapredict.report.card.reporting import tripod_items
from ketapredict.report.card.specified import plausible_example
from ketapredict.report.specification import coefficient_table, tree_table


@pytest.fixture(scope="module")
def card(facts):
    return model_card(facts)


class Outline(HTMLParser):
    """What a browser would show first, load or link to."""

    def __init__(self):
        super().__init__()
        self.texts, self.loaded, self.links, self.ids = [], [], [], []
        self.quiet = 0

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.quiet += tag in ("style", "title")
        if tag in ("script", "img", "link", "iframe") or (tag == "use" and not found.get("href", "#").startswith("#")):
            self.loaded.append((tag, found))
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if "id" in found:
            self.ids.append(found["id"])

    def handle_endtag(self, tag):
        self.quiet -= tag in ("style", "title")

    def handle_data(self, data):
        if data.strip() and not self.quiet:
            self.texts.append(data.strip())


@pytest.fixture(scope="module")
def outline(card):
    found = Outline()
    found.feed(card.html)
    return found


def test_the_first_line_says_what_it_was_trained_on(card, outline, facts):
    assert facts.statement.startswith("SIMULATED")
    assert outline.texts[0] == facts.statement
    assert card.markdown.splitlines()[0] == f"**{facts.statement}**"


def test_nothing_is_loaded_and_every_link_has_its_place(outline):
    assert outline.loaded == []
    assert outline.links
    assert {link.removeprefix("#") for link in outline.links} <= set(outline.ids)
    assert len(outline.ids) == len(set(outline.ids))


def test_the_long_tables_are_an_appendix_of_which_paper_shows_one_example(card, facts):
    assert re.findall(r'<section id="([\w-]+)"', card.html)[-1] == "specification"
    appendix = card.html.split('<section id="specification">')[1]
    folded = re.findall(r'<details( class="screen")?><summary>Step by step at (\w+)', appendix)
    assert folded == [("", facts.model.landmarks[0])] + [
        (' class="screen"', name) for name in facts.model.landmarks[1:]
    ]


def test_every_picture_is_a_file_beside_the_markdown(card):
    shown = re.findall(r"!\[[^\]]*\]\(([\w-]+)\.svg\)", card.markdown)
    assert shown
    assert set(shown) == set(card.figures)


def test_no_course_is_named(card, short_cohort):
    for name in short_cohort.table["course_id"]:
        assert name not in card.html
        assert name not in card.markdown


def test_all_27_items_are_answered_or_left_to_a_human(card):
    items = tripod_items()["items"]
    assert [item["item"] for item in items] == [str(number) for number in range(1, 28)]
    for item in items:
        assert item["shown"] or item["human"]
        assert item["topic"] in card.html.replace("&amp;", "&")


@pytest.mark.parametrize("landmark", ["24h", "72h"])
def test_the_worked_example_adds_up_as_printed_and_is_what_the_model_says(card, facts, short_cohort, landmark):
    steps = card.markdown.split(f"Step by step at {landmark}")[1].split("\n\n")[1].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in steps]
    terms = [float(row[-1]) for row in cells[:-2]]
    total, probability = float(cells[-2][-1]), float(cells[-1][-1])
    assert sum(terms) == pytest.approx(total, abs=1e-6 * len(terms))
    for row in cells[1:-2]:
        if row[3] != "–":
            assert float(row[3]) * (float(row[1]) - float(row[2])) == pytest.approx(float(row[-1]), abs=2e-5)
    example = cohort_from_frame(plausible_example(short_cohort), short_cohort.protocol)
    predicted = facts.model.predict(example, landmark)["probability"].iloc[0]
    assert probability == pytest.approx(predicted, abs=6e-5)


def test_the_printed_specification_alone_predicts_every_course(facts, short_cohort):
    """Tables as CSV texts in, probabilities out, by other code than the package's."""
    from ketapredict.features.design import design_frame

    model = facts.model.bundle.landmarks[0]
    table = pd.read_csv(io.StringIO(coefficient_table([model]).to_csv(index=False)), dtype={"knots": str})
    trees = list(csv.DictReader(io.StringIO(tree_table([model]).to_csv(index=False))))
    keep = short_cohort.table[f"score_{model.landmark}"].notna().to_numpy()
    courses = short_cohort.subset(keep).subset(np.arange(int(keep.sum())) < 40)
    frame = design_frame(courses, model.features, "response")
    expected = facts.model.predict(courses, model.landmark)["probability"].to_numpy()
    for row in range(len(frame)):
        x = frame.iloc[row]
        log_odds = model.base_logit
        log_odds += sum(c.coefficient * (_column(c, x[c.feature]) - c.mean) for c in table.itertuples())
        log_odds += sum(float(line["log_odds"]) for line in trees if _meets(line, x))
        assert 1 / (1 + np.exp(-log_odds)) == pytest.approx(expected[row], abs=1e-6)


def _column(column, value):
    if column.kind == "missing":
        return float(np.isnan(value))
    value = column.fill if np.isnan(value) else value
    if column.kind == "value":
        return value
    knots = np.array([float(knot) for knot in column.knots.split()])
    before, after = knots[1] - knots[0], knots[-1] - knots[-2]
    t = np.r_[knots[0] - 2 * before, knots[0] - before, knots, knots[-1] + after, knots[-1] + 2 * after]
    coefficients = (np.arange(len(t) - 3) >= column.index).astype(float)
    spline = BSpline(t, coefficients, 2)
    inside = float(np.clip(value, knots[0], knots[-1]))
    # At the last knot the value is that from the left.
    return float(spline(min(inside, np.nextafter(knots[-1], -np.inf)))) + float(
        spline.derivative()(min(inside, np.nextafter(knots[-1], -np.inf)))
    ) * (value - inside)


def _meets(line, x):
    def inside(name, low, high):
        value = np.float32(x[name])
        if low == "missing":
            return np.isnan(value)
        low, high = np.float32(low or "-inf"), np.float32(high or "inf")
        return not np.isnan(value) and low <= value < high

    first = inside(line["first"], line["first_from"], line["first_to"])
    return first and (not line["second"] or inside(line["second"], line["second_from"], line["second_to"]))


def test_the_same_facts_give_the_same_bytes(card, facts):
    again = model_card(facts)
    assert again == card
