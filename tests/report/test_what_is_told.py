"""What the card tells and what it keeps back: counts, words about the treatment, groups too small to tell of."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ketapredict.report.card.data import data
from ketapredict.report.card.page import Points, Table
from ketapredict.report.card.performance import sites
from ketapredict.report.card.purpose import purpose, summary
from ketapredict.report.card.reporting import audit
from ketapredict.report.card.stability import stability
from ketapredict.report.characteristics import HIDDEN, _told
from ketapredict.validate.by_site import SiteValidation


def tables(section) -> list[Table]:
    return [block for block in section.blocks if isinstance(block, Table)]


def test_counts_are_those_that_the_figures_are_of(facts):
    """An updated model's bundle holds the parent's sizes: the card's are those of what was analysed."""
    other = [replace(model, courses=9999, events=8888, patients=7777) for model in facts.model.bundle.landmarks]
    bundle = replace(facts.model.bundle, landmarks=tuple(other))
    pretended = replace(facts, model=type(facts.model)(bundle))
    study = facts.studies[0]
    row = tables(summary(pretended))[0].rows[0]
    assert row[1] == str(study.validation.courses)
    assert row[2].startswith(f"{study.validation.events} ")
    for section in (summary(pretended), data(pretended)):
        for table in tables(section):
            assert not any("9999" in cell or "8888" in cell for row in table.rows for cell in row)


def test_the_first_table_compares_with_early_improvement_alone(facts):
    found = facts.studies[0].validation.differences["early improvement alone"]["log_loss"]
    assert tables(summary(facts))[0].rows[0][5].startswith(f"{found.estimate:.3f} ({found.low:.3f} to")


@pytest.mark.parametrize(("treatment", "said"), [("ketamine", "ketamine infusions"), ("drug", "NOT ketamine")])
def test_the_treatment_is_that_of_the_protocol(facts, treatment, said):
    protocol = replace(facts.model.bundle.protocol, active_treatment=treatment)
    section = purpose(replace(facts, model=type(facts.model)(replace(facts.model.bundle, protocol=protocol))))
    cells = {row[0]: row[1] for row in tables(section)[0].rows}
    assert said in cells["Treatment"]
    points = " ".join(text for block in section.blocks for text in getattr(block, "texts", ()))
    assert ("Before infusion 3" in points) == (treatment == "ketamine")


def test_what_a_hidden_count_could_be_reckoned_from_is_hidden_too():
    # Sex: female 118 (73, 45), male 83 (51, 32), other 4 (4, 0) of 205 (128, 77).
    told = _told(np.array([[118, 73, 45], [83, 51, 32], [4, 4, 0]]), np.array([205, 128, 77]))
    assert told[0] == ["118 (58%)", "73 (57%)", "45 (58%)"]
    assert told[1] == ["83 (40%)", "not told", "not told"]
    assert told[2] == [HIDDEN, HIDDEN, "not told"]


def test_nobody_is_as_much_as_a_few_where_it_tells_how_each_one_did():
    # Of six with a level none had the outcome: that would be known of all six; the others are the rest.
    told = _told(np.array([[100, 50, 50], [6, 0, 6]]), np.array([106, 50, 56]))
    assert told == [["100 (94%)", "not told", "not told"], ["6 (6%)", "not told", "not told"]]
    assert _told(np.array([[100, 50, 50], [0, 0, 0]]), np.array([100, 50, 50]))[0][1] == "50 (100%)"


def test_the_audit_says_what_the_sample_size_says(facts):
    def answer(enough: bool) -> list[str]:
        studies = [replace(study, assessment=replace(study.assessment, enough=enough)) for study in facts.studies]
        found = tables(audit(replace(facts, studies=tuple(studies), updates={})))[0].rows
        return next(row for row in found if row[1] == "are there enough events?")

    assert "are not met at" in answer(False)[2]
    assert answer(False)[3] == "high"
    assert "Riley's criteria are met" in answer(True)[2]


def test_what_became_of_a_site_is_told_under_sites(facts):
    note = "D: its own figures are not told"
    empty = SiteValidation(pd.DataFrame(columns=["site"]), pd.DataFrame(), np.empty(0), (note,))
    first, *others = facts.studies
    noted = replace(facts, studies=(replace(first, sites=empty), *others))
    for section, expected in ((sites(noted), True), (stability(noted), False)):
        texts = [text for block in section.blocks if isinstance(block, Points) for text in block.texts]
        assert (f"{first.landmark}: {note}." in texts) == expected


def test_every_landmark_says_whether_its_courses_are_enough(facts):
    for study in facts.studies:
        assert any("parameter" in sentence for sentence in study.statements)
