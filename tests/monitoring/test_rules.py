"""Every rule: when it holds, when it does not, at its border, and with its input missing."""

import re

import numpy as np
import pytest

from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.monitoring import monitoring_notes, monitoring_questions, monitoring_rules
from ketapredict.monitoring.rules import URGENCIES

COURSE_OF_SIX = BUILT_IN["induction-course"]
# Nothing known but what is required; each case adds to it.
BARE = {"course_id": "c", "diagnosis": "MDD", "scale": "MADRS", "score_baseline": 30.0, "patient_id": None}
MISSED = {"score_24h": 25.0, "score_inf2": 28.0, "score_inf3": 25.0}
NORMAL = {"systolic_mmhg": 120.0, "diastolic_mmhg": 80.0}
HIGH = {"systolic_mmhg": 170.0, "diastolic_mmhg": 105.0}

# rule: landmark, course, state, and for unknown a word of what is asked.
CASES = [
    ("vascular-contraindication", "pre", {"vascular_contraindication": 1.0}, "holds"),
    ("vascular-contraindication", "pre", {"vascular_contraindication": 0.0}, "clear"),
    ("vascular-contraindication", "pre", {}, "aneurysmal"),
    ("hypersensitivity", "pre", {"ketamine_hypersensitivity": "yes"}, "holds"),
    ("hypersensitivity", "pre", {"ketamine_hypersensitivity": "no"}, "clear"),
    ("hypersensitivity", "pre", {"ketamine_hypersensitivity": "perhaps"}, "hypersensitivity"),
    ("pregnancy", "pre", {"pregnant_or_breastfeeding": 1.0}, "holds"),
    ("pregnancy", "pre", {"pregnant_or_breastfeeding": 0.0}, "clear"),
    ("pregnancy", "pre", {}, "pregnancy"),
    ("psychosis", "pre", {"psychotic_features": 1.0}, "holds"),
    ("psychosis", "pre", {"psychotic_features": 0.0}, "clear"),
    ("psychosis", "pre", {"psychotic_features": np.nan}, "psychotic features"),
    ("blood-pressure", "pre", {"systolic_mmhg": 141.0, "diastolic_mmhg": 80.0}, "holds"),
    ("blood-pressure", "pre", {"systolic_mmhg": 120.0, "diastolic_mmhg": 91.0}, "holds"),
    ("blood-pressure", "pre", {"systolic_mmhg": 140.0, "diastolic_mmhg": 90.0}, "clear"),
    ("blood-pressure", "pre", {}, "systolic pressure; diastolic pressure"),
    ("blood-pressure", "pre", {"systolic_mmhg": 120.0}, "diastolic pressure"),
    ("blood-pressure", "pre", {"systolic_mmhg": 150.0}, "holds"),
    # Today's pressure is looked at first, and both values are today's.
    ("blood-pressure", "inf3", NORMAL | {"systolic_mmhg_today": 170.0, "diastolic_mmhg_today": 105.0}, "holds"),
    ("blood-pressure", "inf3", NORMAL | {"diastolic_mmhg_today": 91.0}, "holds"),
    ("blood-pressure", "inf3", NORMAL | {"systolic_mmhg_today": 120.0}, "diastolic pressure today"),
    ("blood-pressure", "inf3", HIGH | {"systolic_mmhg_today": 120.0, "diastolic_mmhg_today": 80.0}, "clear"),
    ("suicidality-high", "inf3", {"suicidality_item": 0.0, "suicidality_item_today": 4.0}, "holds"),
    ("suicidality-high", "inf3", {"suicidality_item": 4.0, "suicidality_item_today": 0.0}, "clear"),
    # That there were suicidal thoughts before is not undone by an item of 0 today.
    ("suicidality", "inf3", {"suicidality_item": 4.0, "suicidality_item_today": 0.0, "suicide_attempts": 0.0}, "holds"),
    ("suicidality", "inf3", {"suicidality_item": 0.0, "suicidality_item_today": 1.0, "suicide_attempts": 0.0}, "holds"),
    ("cardiac", "pre", {"unstable_cardiac_disease": 1.0}, "holds"),
    ("cardiac", "pre", {"unstable_cardiac_disease": 0.0}, "clear"),
    ("cardiac", "pre", {}, "unstable cardiac disease"),
    ("maoi-or-stimulant", "pre", {"maoi_or_stimulant": 1.0}, "holds"),
    ("maoi-or-stimulant", "pre", {"maoi_or_stimulant": 0.0}, "clear"),
    ("maoi-or-stimulant", "pre", {}, "MAOI or stimulant"),
    ("liver", "pre", {"severe_liver_disease": 1.0}, "holds"),
    ("liver", "pre", {"severe_liver_disease": 0.0}, "clear"),
    ("liver", "pre", {}, "severe liver disease"),
    ("age", "pre", {"age_years": 60.0}, "holds"),
    ("age", "pre", {"age_years": 59.9}, "clear"),
    ("age", "pre", {}, "age"),
    ("every-infusion", "pre", {}, "holds"),
    ("suicidality-high", "pre", {"suicidality_item": 3.0}, "holds"),
    ("suicidality-high", "pre", {"suicidality_item": 2.9}, "clear"),
    ("suicidality-high", "pre", {}, "suicidality item"),
    ("suicidality-high", "pre", {"scale": "QIDS-SR16", "suicidality_item": 2.0}, "holds"),
    ("suicidality-high", "pre", {"scale": "QIDS-SR16", "suicidality_item": 1.0}, "clear"),
    # No range is declared for it: an item that was rated counts all the same.
    ("suicidality-high", "pre", {"scale": "HAMD-24", "suicidality_item": 1.0}, "holds"),
    ("suicidality-high", "pre", {"scale": "HAMD-24", "suicidality_item": 0.0}, "clear"),
    ("suicidality", "pre", {"suicidality_item": 1.0}, "holds"),
    ("suicidality", "pre", {"suicidality_item": 0.0, "suicide_attempts": 1.0}, "holds"),
    ("suicidality", "pre", {"suicidality_item": 0.0, "suicide_attempts": 0.0}, "clear"),
    ("suicidality", "pre", {"suicidality_item": 0.0}, "suicide attempts"),
    ("every-visit", "pre", {}, "holds"),
    # Neither an item of 0 nor the absence of past attempts makes it unnecessary to ask.
    ("every-visit", "inf3", MISSED | {"suicidality_item": 0.0, "suicide_attempts": 0.0}, "holds"),
    ("observation", "pre", {}, "holds"),
    ("bipolar-without-stabiliser", "pre", {"diagnosis": "BD-II", "mood_stabilizer": 0.0}, "holds"),
    ("bipolar-without-stabiliser", "pre", {"diagnosis": "BD", "mood_stabilizer": 1.0}, "clear"),
    ("bipolar-without-stabiliser", "pre", {"diagnosis": "BD-I"}, "mood stabiliser"),
    ("bipolar-without-stabiliser", "pre", {"diagnosis": "MDD"}, "clear"),
    ("switch-watch", "pre", {"diagnosis": "BD-I"}, "holds"),
    ("switch-watch", "pre", {"past_mania": 1.0}, "holds"),
    ("switch-watch", "pre", {"diagnosis": "BD-II", "past_mania": 0.0, "rapid_cycling_or_mixed": 0.0}, "holds"),
    ("switch-watch", "pre", {"diagnosis": "BD"}, "holds"),
    ("switch-watch", "pre", {"diagnosis": "BD-II", "rapid_cycling_or_mixed": 1.0}, "holds"),
    ("switch-watch", "pre", {"past_mania": 0.0, "rapid_cycling_or_mixed": 0.0}, "clear"),
    ("switch-watch", "pre", {"rapid_cycling_or_mixed": 0.0}, "past mania"),
    ("current-use", "pre", {"substance_use": "current"}, "holds"),
    ("current-use", "pre", {"substance_use": "past"}, "clear"),
    ("current-use", "pre", {}, "substance use"),
    ("misuse", "pre", {"substance_use": "past"}, "holds"),
    ("misuse", "pre", {"past_ketamine_misuse": 1.0}, "holds"),
    ("misuse", "pre", {"past_ketamine_misuse": 0.0, "substance_use": "none"}, "clear"),
    ("misuse", "pre", {"substance_use": "none"}, "past misuse of ketamine"),
    ("benzodiazepine", "pre", {"benzodiazepine_mg_per_day": 8.1}, "holds"),
    ("benzodiazepine", "pre", {"benzodiazepine_mg_per_day": 8.0}, "clear"),
    ("benzodiazepine", "pre", {}, "benzodiazepine dose"),
    ("urinary-symptoms", "pre", {"urinary_symptoms": 1.0}, "holds"),
    ("urinary-symptoms", "pre", {"urinary_symptoms": 0.0}, "clear"),
    ("urinary-symptoms", "pre", {}, "urinary symptoms"),
    ("late-improvement", "pre", {}, "holds"),
    ("late-improvement", "24h", {"score_24h": 30.0}, "holds"),
    ("late-improvement", "inf2", MISSED, "holds"),
    ("late-improvement", "inf3", MISSED, "clear"),
    ("review-of-benefit", "inf3", MISSED, "holds"),
    ("review-of-benefit", "inf3", MISSED | {"score_inf3": 24.0}, "clear"),  # a fall of exactly 20%
    ("review-of-benefit", "inf3", MISSED | {"score_inf2": np.nan}, "score at inf2"),
    ("review-of-benefit", "inf3", MISSED | {"score_inf2": np.nan, "score_24h": 10.0}, "clear"),
    ("review-of-benefit", "inf4", MISSED | {"score_24h": 10.0, "score_inf4": 25.0}, "holds"),
    # Late improvers are not reminded of the ratings before.
    ("review-of-benefit", "inf4", MISSED | {"score_inf4": 12.0}, "clear"),
    ("review-of-benefit", "end", MISSED | {"score_inf4": 25.0, "score_end": 9.0}, "clear"),
    ("review-of-benefit", "end", MISSED | {"score_inf4": 12.0, "score_end": 29.0}, "holds"),
    # Before infusion 3 nothing is said against going on, whatever the scores, nor what they will be.
    ("review-of-benefit", "inf2", MISSED, "clear"),
    ("review-of-benefit", "24h", MISSED | {"score_inf4": 25.0}, "clear"),
]
ALWAYS = {"every-infusion", "every-visit", "observation"}
NEVER_UNKNOWN = ALWAYS | {"late-improvement"}


@pytest.mark.parametrize(("rule", "landmark", "course", "expected"), CASES)
def test_rule(rule, landmark, course, expected):
    (note,) = [n for n in monitoring_notes(BARE | course, COURSE_OF_SIX, landmark) if n.rule.id == rule]
    if expected in ("holds", "clear"):
        assert (note.state, note.missing) == (expected, ())
        assert note.words == note.rule.words
    else:
        assert note.state == "unknown"
        assert expected in note.words
        assert "could not be checked" in note.words.lower()


def test_every_rule_has_its_cases():
    rules = {rule.id for rule in monitoring_rules()}
    assert {case[0] for case in CASES} == rules
    for rule in rules:
        found = {case[3] if case[3] in ("holds", "clear") else "unknown" for case in CASES if case[0] == rule}
        assert "holds" in found
        assert "clear" in found or rule in ALWAYS
        assert "unknown" in found or rule in NEVER_UNKNOWN


def test_rules_ask_for_declared_columns_and_questions_only():
    known = set(declared_columns(COURSE_OF_SIX)) | {question.name for question in monitoring_questions()}

    def columns(condition):
        for part in getattr(condition, "parts", ()):
            yield from columns(part)
        if getattr(condition, "column", None):
            yield condition.column

    for rule in monitoring_rules():
        assert set(columns(rule.condition)) <= known, rule.id


def test_questions_are_no_columns_of_the_cohort_table_and_all_are_used():
    names = {question.name for question in monitoring_questions()}
    assert not names & set(declared_columns(COURSE_OF_SIX))
    assert names <= {name for case in CASES for name in case[2]}


def test_notes_come_the_most_urgent_first_and_with_sources():
    notes = monitoring_notes(BARE, COURSE_OF_SIX, "pre")
    order = [URGENCIES.index(note.rule.urgency) for note in notes]
    assert order == sorted(order)
    for note in notes:
        assert note.rule.sources
        for source in note.rule.sources:
            assert source.citation
            assert not source.doi or re.fullmatch(r"10\.\d{4,}/\S+", source.doi)


def test_no_rule_advises_to_stop():
    for rule in monitoring_rules():
        text = f"{rule.title}. {rule.words} {rule.otherwise}".lower().replace("this is no advice to stop", "")
        assert not re.search(r"\bstop|discontinu|abandon|end the course", text), rule.id


def test_the_figures_are_those_of_the_evidence():
    words = {rule.id: rule for rule in monitoring_rules()}
    assert "58%" in words["late-improvement"].words
    assert "QIDS-SR16" in words["late-improvement"].words
    assert words["late-improvement"].sources[0].doi == "10.1016/j.pnpbp.2020.110126"
    assert "69%" in words["age"].words
    assert "1 of 18" in words["switch-watch"].words
    assert "YMRS" in words["switch-watch"].words
    assert "6.0%" in words["suicidality"].words
    assert "safety plan" in words["suicidality-high"].words
    every_visit = words["every-visit"].words
    assert all(text in every_visit for text in ("6.0%", "8.4%", "same day", "C-SSRS", "urinary", "cravings", "extra"))


def test_the_grades_are_those_of_the_evidence():
    """`safety.md`, section 3; what is on the label alone, or in no table of grades, is called so."""
    grades = {rule.id: rule.certainty for rule in monitoring_rules()}
    assert {name for name, grade in grades.items() if grade == "strong"} == {
        "vascular-contraindication",
        "hypersensitivity",
        "pregnancy",
        "blood-pressure",
        "cardiac",
    }
    assert {name for name, grade in grades.items() if grade == "unconfirmed"} == {"liver"}
    assert {grades[name] for name in ("psychosis", "current-use", "misuse")} == {"consensus"}
    assert {grades[name] for name in ("bipolar-without-stabiliser", "switch-watch", "benzodiazepine", "age")} == {
        "moderate"
    }
    assert (grades["maoi-or-stimulant"], grades["urinary-symptoms"]) == ("label", "weak")
    assert grades["suicidality-high"] == "clinical rule"


def test_todays_notes_come_before_those_of_the_next_infusion():
    course = BARE | {"suicidality_item": 6.0, "psychotic_features": 1.0, "systolic_mmhg": 190.0}
    held = [note.rule.id for note in monitoring_notes(course, COURSE_OF_SIX, "pre") if note.state == "holds"]
    assert held[0] == "suicidality-high"


def test_rules_of_a_course_of_infusions_do_not_apply_to_a_single_one_and_say_why():
    for protocol, landmark in (("single-infusion", "pre"), ("single-infusion", "72h")):
        notes = {note.rule.id: note for note in monitoring_notes(BARE | MISSED, BUILT_IN[protocol], landmark)}
        for name in ("late-improvement", "review-of-benefit"):
            assert notes[name].state == "not applicable"
            assert notes[name].words.startswith("Does not apply: the figures are of courses of")
        others = {note.state for name, note in notes.items() if name not in ("late-improvement", "review-of-benefit")}
        assert "not applicable" not in others
    for note in monitoring_notes(BARE, COURSE_OF_SIX, "pre"):
        assert note.state != "not applicable"


def test_every_note_tells_when_what_it_rests_on_was_known():
    """After infusion 3 a blood pressure of before the first is no check of today's."""
    course = BARE | MISSED | {"systolic_mmhg": 120.0, "diastolic_mmhg": 70.0, "suicidality_item": 5.0}
    notes = {note.rule.id: note for note in monitoring_notes(course, COURSE_OF_SIX, "inf3")}
    assert (notes["blood-pressure"].state, notes["blood-pressure"].known_at) == ("clear", "pre")
    assert (notes["suicidality-high"].state, notes["suicidality-high"].known_at) == ("holds", "pre")
    assert (notes["review-of-benefit"].state, notes["review-of-benefit"].known_at) == ("holds", "inf3")
    assert (notes["late-improvement"].state, notes["late-improvement"].known_at) == ("clear", "")
    assert (notes["observation"].known_at, notes["pregnancy"].known_at) == ("", "")
    # What was measured today is of today.
    course |= {"systolic_mmhg_today": 125.0, "diastolic_mmhg_today": 75.0, "suicidality_item_today": 5.0}
    notes = {note.rule.id: note for note in monitoring_notes(course, COURSE_OF_SIX, "inf3")}
    assert (notes["blood-pressure"].state, notes["blood-pressure"].known_at) == ("clear", "inf3")
    assert (notes["suicidality-high"].state, notes["suicidality-high"].known_at) == ("holds", "inf3")
    # Of two inputs, the one that settled it counts.
    asked = Column("urinary_symptoms", "yes_no", "urinary symptoms", "urinary", known_at="inf2")
    notes = monitoring_notes(course | {"urinary_symptoms": 0.0}, COURSE_OF_SIX, "inf3", (asked,))
    assert {note.rule.id: note.known_at for note in notes}["urinary-symptoms"] == "inf2"
