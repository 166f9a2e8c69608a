"""The form: every declared column that may be known, and no rule of its own."""

import numpy as np
import pytest

from ketapredict.monitoring import monitoring_questions
from ketapredict.web.patient.form import course_from_entries, entries_of, form_columns, form_groups
from ketapredict.web.patient.view import estimate_of, patient_view

VALID = {"course_id": "c1", "diagnosis": "MDD", "scale": "MADRS", "score_baseline": "31"}


def fields(bundle, entered=None, errors=None, landmark=None):
    return {f.column.name: f for group in form_groups(bundle, entered or {}, errors, landmark) for f in group.fields}


def test_it_asks_for_every_time_point_and_says_which_are_in_no_estimate(short_model):
    found = fields(short_model.bundle)
    names = set(found)
    assert {"course_id", "age_years", "score_baseline", "score_24h", "score_72h", "score_7d"} <= names
    assert [name for name, f in found.items() if "for the picture and the rules only" in f.help] == ["score_7d"]
    assert not found["score_7d"].is_used
    assert "arm" not in names
    assert {question.name for question in monitoring_questions()} <= names


def test_units_ranges_levels_and_what_is_required_come_from_the_declarations(short_model):
    found = fields(short_model.bundle, {"scale": "MADRS"})
    assert found["age_years"].help == "A number from 12 to 100 years."
    assert found["score_24h"].help == "A total of the scale: 0 to 60 points on MADRS."
    assert found["score_24h"].highest == 60
    assert found["score_baseline"].help == "A total of the scale: above 0, up to 60 points on MADRS."
    assert found["diagnosis"].options == ("MDD", "BD-I", "BD-II", "BD")
    assert found["scale"].options == short_model.bundle.scales
    assert [name for name, f in found.items() if f.column.required] == [
        "course_id", "scale", "diagnosis", "score_baseline",
    ]  # fmt: skip


def test_a_course_comes_through_the_form_unchanged(short_model, short_cohort):
    for row in (0, 7, 31):
        course = short_cohort.subset(np.arange(len(short_cohort)) == row)
        entered, errors = course_from_entries(short_model.bundle, entries_of(course, short_model.bundle))
        assert errors == {}
        for name in form_columns(short_model.bundle):
            if name in course.table:
                before, after = course.table[name].iat[0], entered.table[name].iat[0]
                assert before == after or (before != before and after != after) or (before is None and after != after)
        told, again = estimate_of(short_model, course).told, estimate_of(short_model, entered).told
        assert told == again


@pytest.mark.parametrize(
    ("change", "column", "words"),
    [
        ({"age_years": "300"}, "age_years", "12 to 100 years"),
        ({"age_years": "old"}, "age_years", "a number"),
        ({"diagnosis": ""}, "diagnosis", "one of MDD"),
        ({"course_id": " "}, "course_id", "a name for this course"),
        ({"score_24h": "61"}, "score_24h", "0 to 60 points"),
        ({"score_baseline": "0"}, "score_baseline", "above 0"),
        ({"suicidality_item": "7"}, "suicidality_item", "0 to 6"),
        ({"past_mania": "perhaps"}, "past_mania", "yes or no"),
        ({"scale": "BDI-II"}, "scale", "a scale of the model: MADRS"),
        ({"scale": "nonsense"}, "scale", "a scale of the model: MADRS"),
    ],
)
def test_a_mistake_is_told_beside_its_field_without_the_value_and_the_input_is_kept(short_model, change, column, words):
    course, errors = course_from_entries(short_model.bundle, VALID | change)
    assert course is None
    assert list(errors) == [column]
    assert words in errors[column]
    value = change[column].strip()
    found = fields(short_model.bundle, VALID | change, errors)[column]
    assert found.error == errors[column]
    assert found.value == change[column]
    if value not in ("", "0", "7"):
        assert value not in errors[column]


def test_all_mistakes_are_told_at_once(short_model):
    errors = course_from_entries(short_model.bundle, {"age_years": "1", "bmi_kg_m2": "x"})[1]
    assert set(errors) == {"course_id", "diagnosis", "age_years", "bmi_kg_m2", "scale"}


def test_answers_to_monitoring_questions_are_part_of_the_course_but_never_of_an_estimate(short_model):
    plain = course_from_entries(short_model.bundle, VALID | {"score_24h": "20"})[0]
    asked = course_from_entries(short_model.bundle, VALID | {"score_24h": "20", "past_mania": "yes"})[0]
    assert asked.table["past_mania"].iat[0] == 1.0
    assert estimate_of(short_model, plain).told == estimate_of(short_model, asked).told


def test_what_is_of_before_the_course_says_so_and_what_is_measured_today_has_its_own_fields(short_model):
    groups = {group.title: group.fields for group in form_groups(short_model.bundle, {})}
    for title in ("Safety, before infusion 1", "Medicines and substances, before infusion 1"):
        assert all(field.label.endswith(", before infusion 1") for field in groups[title])
    (today,) = [fields for title, fields in groups.items() if "At this visit" in title]
    assert [field.label for field in today] == [
        "systolic pressure today", "diastolic pressure today", "suicidality item today",
    ]  # fmt: skip
    entered = VALID | {"score_24h": "20", "systolic_mmhg": "120", "diastolic_mmhg": "80"}
    plain = course_from_entries(short_model.bundle, entered)[0]
    risen = course_from_entries(short_model.bundle, entered | {"systolic_mmhg_today": "170"})[0]
    assert estimate_of(short_model, plain).told == estimate_of(short_model, risen).told
    held = [{n.rule.id for n in patient_view(short_model, c).notes_in("holds")} for c in (plain, risen)]
    assert held[1] - held[0] == {"blood-pressure"}
    assert course_from_entries(short_model.bundle, entered | {"systolic_mmhg_today": "17"})[1].keys() == {
        "systolic_mmhg_today"
    }


def test_what_one_landmark_reads_is_marked(short_model):
    early, late = (fields(short_model.bundle, landmark=landmark) for landmark in ("24h", "72h"))
    assert early["score_24h"].is_used
    assert not early["score_72h"].is_used
    assert late["score_72h"].is_used
