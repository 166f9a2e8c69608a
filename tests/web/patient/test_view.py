"""The view of one patient is the model's own explanation, whatever the words around it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.columns import Column
from ketapredict.cohort.protocols import TimePoint
from ketapredict.cohort.read import cohort_from_frame
from ketapredict.errors import ModelError
from ketapredict.response_model import ResponseModel
from ketapredict.web.patient.view import patient_view
from ketapredict.web.templating import environment


def one(cohort: Cohort, row: int = 0, **values: object) -> Cohort:
    """A single course with some values changed."""
    frame = cohort.table.iloc[[row]].astype(object).assign(**values)
    return cohort_from_frame(frame, cohort.protocol)


def test_the_numbers_are_those_of_explain(short_model, short_cohort):
    for row in range(0, 150, 10):
        course = one(short_cohort, row)
        view = patient_view(short_model, course)
        if view.estimate is None:
            continue
        told = short_model.explain(short_cohort, view.course_id)
        assert view.estimate.told == told
        assert expit(view.estimate.log_odds) == pytest.approx(told.probability, abs=1e-12)


def test_inputs_used_and_missing_are_all_that_the_landmarks_model_reads(short_model, short_cohort):
    view = patient_view(short_model, one(short_cohort, 0, age_years=np.nan))
    estimate = view.estimate
    (fitted,) = [m for m in short_model.bundle.landmarks if m.landmark == estimate.told.landmark]
    assert {found.name for found in estimate.inputs} == set(fitted.input_columns)
    assert "age" in [found.label for found in estimate.missing]
    assert len(estimate.used) + len(estimate.missing) == len(estimate.inputs)
    assert "age_years" in estimate.told.notes


def test_why_a_patient_is_out_of_scope_stands_apart_from_what_is_missing(short_model, short_cohort):
    view = patient_view(short_model, one(short_cohort, 0, diagnosis="BD-I", mood_stabilizer=0.0, age_years=np.nan))
    assert "bipolar without a mood stabiliser: outside the evidence" in view.estimate.out_of_scope
    assert not any("missing: " in reason for reason in (*view.estimate.out_of_scope, *view.estimate.cautions))
    assert view.estimate.told.in_scope is False


def test_without_a_score_at_a_landmark_there_is_no_estimate_but_all_that_is_to_be_watched(short_model, short_cohort):
    course = one(short_cohort, 0, score_24h=np.nan, score_72h=np.nan, systolic_mmhg=150.0)
    view = patient_view(short_model, course)
    assert view.estimate is None
    assert "cannot be predicted" in view.refusal
    assert view.landmarks == ()
    assert "blood-pressure" in [note.rule.id for note in view.notes_in("holds")]


def test_an_earlier_landmark_can_be_asked_for_and_the_notes_stay_those_of_now(short_model, short_cohort):
    course = one(short_cohort, 0, score_24h=20.0, score_72h=12.0)
    late, early = patient_view(short_model, course), patient_view(short_model, course, "24h")
    assert (late.estimate.told.landmark, early.estimate.told.landmark) == ("72h", "24h")
    assert late.notes == early.notes
    assert late.landmarks == ("24h", "72h")
    with pytest.raises(ModelError, match="Expected a landmark of the model"):
        patient_view(short_model, course, "inf9")


def test_what_was_normal_before_infusion_1_is_not_called_checked_after_it(short_model, short_cohort):
    known = {"systolic_mmhg": 120.0, "diastolic_mmhg": 70.0}
    rated = patient_view(short_model, one(short_cohort, 0, score_24h=20.0, score_72h=12.0, **known))
    groups = {words: [note.rule.id for note in notes] for words, notes in rated.settled}
    (then,) = [words for words in groups if "blood-pressure" in groups[words]]
    assert then == "Checked before infusion 1, not since: nothing found then"
    known |= {f"score_{name}": np.nan for name in short_cohort.protocol.names}
    before = patient_view(short_model, one(short_cohort, 0, **known))
    groups = {words: [note.rule.id for note in notes] for words, notes in before.settled}
    (then,) = [words for words in groups if "blood-pressure" in groups[words]]
    assert then == "Checked before infusion 1: nothing found"
    held = patient_view(short_model, one(short_cohort, 0, score_24h=20.0, systolic_mmhg=170.0))
    page = str(environment().get_template("_monitoring.html").module.monitoring(held))
    note = page[page.index('data-rule="blood-pressure"') :]
    assert "As it was before infusion 1." in note[: note.index("</li>")]


def test_before_infusion_3_the_page_says_that_late_improvement_is_common(short_model, short_cohort):
    """In a course that has a third infusion; after it no more."""
    *earlier, end = short_cohort.protocol.time_points
    third = TimePoint("inf3", 120.0, (108.0, 144.0))
    protocol = replace(short_cohort.protocol, time_points=(*earlier, third, end))
    model = ResponseModel(replace(short_model.bundle, protocol=protocol))
    frame = short_cohort.table.iloc[[0]].astype(object).assign(score_24h=20.0, score_72h=19.0, score_7d=None)

    def page(**scores: float) -> str:
        view = patient_view(model, cohort_from_frame(frame.assign(**scores), protocol))
        return str(environment().get_template("_monitoring.html").module.monitoring(view))

    assert "58% of those without a 20% improvement on the QIDS-SR16" in page()
    assert "doi:10.1016/j.pnpbp.2020.110126" in page()
    assert "58%" not in page(score_inf3=18.0)


def test_a_mapping_of_the_cohort_can_answer_what_the_rules_ask(short_model, short_cohort):
    asked = Column("urinary_symptoms", "yes_no", "urinary symptoms", "urinary")
    frame = short_cohort.table.iloc[:1].assign(urinary_symptoms="yes")
    course = cohort_from_frame(frame, short_cohort.protocol, (asked,))
    plain, known = patient_view(short_model, one(short_cohort)), patient_view(short_model, course)
    assert "urinary-symptoms" in [note.rule.id for note in plain.notes_in("unknown")]
    assert "urinary-symptoms" in [note.rule.id for note in known.notes_in("holds")]
    assert known.estimate.told == plain.estimate.told


def test_what_cross_validation_did_not_show_stands_beside_the_estimate(short_model, short_cohort):
    said = "24h: NO SKILL SHOWN. The model is not shown to predict better than the overall rate."
    provenance = short_model.bundle.provenance | {"verdicts": {"24h": [said], "72h": []}}
    judged = ResponseModel(replace(short_model.bundle, provenance=provenance))
    course = one(short_cohort, 0, score_24h=20.0, score_72h=12.0)
    assert patient_view(judged, course, "24h").estimate.verdicts == (said.removeprefix("24h: "),)
    assert patient_view(judged, course, "72h").estimate.verdicts == ()
    assert patient_view(short_model, course).estimate.verdicts is None  # it was fitted, and not cross-validated
    pages = environment().get_template("_estimate.html").module
    told = [str(pages.verdicts(patient_view(model, course, "24h").estimate)) for model in (judged, short_model)]
    assert "NO SKILL SHOWN" in told[0]
    assert "not recorded" in told[1]
    assert "predicted better" in str(pages.verdicts(patient_view(judged, course).estimate))


def test_the_rate_beside_it_is_that_of_the_training_courses(short_model, short_cohort):
    view = patient_view(short_model, one(short_cohort))
    model = short_model.bundle.landmarks[1]
    assert f"({model.event_rate:.0%}) of the {model.courses} training courses" in view.estimate.rate_words


def test_notes_are_counted_by_urgency_and_what_is_unknown_is_grouped_by_it(short_model, short_cohort):
    view = patient_view(short_model, one(short_cohort, 0, systolic_mmhg=170.0, suicidality_item=6.0))
    first, *_, last = view.counts.split("; ")
    assert first == "today: 1"
    assert last == f"could not be checked: {len(view.notes_in('unknown'))}"
    numbers = [int(part.rpartition(": ")[2]) for part in view.counts.split("; ")]
    assert sum(numbers) == len(view.notes_in("holds")) + len(view.notes_in("unknown"))
    asked = [text for _, texts in view.unknown_by_urgency for text in texts]
    assert len(asked) == len(set(asked))
    assert set(asked) == {text for note in view.notes_in("unknown") for text in note.missing}
    assert "pregnancy or breastfeeding" in dict(view.unknown_by_urgency)["before infusing"]


def test_a_rate_within_5_points_of_the_estimate_is_called_about_the_same(short_model, short_cohort):
    page = environment().from_string('{% from "_estimate.html" import number %}{{ number(e, "respond") }}')
    found = set()
    for row in range(40):
        estimate = patient_view(short_model, one(short_cohort, row)).estimate
        if estimate is not None:
            near = abs(estimate.told.probability - estimate.told.training_rate) <= 0.05
            assert ("For comparison: about the same, " in page.render(e=estimate)) == near
            found.add(near)
    assert found == {True, False}
