"""A cohort written as a REDCap project: data dictionary and raw exports."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from ketapredict.cohort.protocols import BUILT_IN

PROTOCOL = BUILT_IN["induction-course"]
EVENTS = {
    "baseline": "baseline_arm_1",
    "40min": "40_min_arm_1",
    "4h": "4_hours_arm_1",
    "24h": "day_1_arm_1",
    "inf2": "after_infusion_2_arm_1",
    "inf3": "after_infusion_3_arm_1",
    "inf4": "after_infusion_4_arm_1",
    "end": "end_of_course_arm_1",
}
_HEADER = [
    "Variable / Field Name",
    "Form Name",
    "Section Header",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Note",
    "Text Validation Type OR Show Slider Number",
]
_DIAGNOSES = "1, Major depressive disorder | 2, Bipolar I | 3, Bipolar II | 4, Bipolar, type unknown"
_YES = "1, Yes | 0, No | 9, Unknown"
# Field, type, label, choices, validation, column of the cohort table.
_PATIENT = [
    ("age", "text", "Age (years)", "", "integer", "age_years"),
    ("sex", "radio", "Sex", "1, Female | 2, Male | 3, Other", "", "sex"),
    ("body_mass_index", "calc", "BMI", "[weight]/([height]^2)", "", "bmi_kg_m2"),
    (
        "dx",
        "dropdown",
        "Diagnosis",
        _DIAGNOSES,
        "",
        "diagnosis",
    ),
    ("n_trials", "text", "Failed antidepressant trials", "", "integer", "failed_trials"),
    ("ect", "yesno", "Did ECT fail?", "", "", "failed_ect"),
    ("episode_length", "text", "Length of the present episode (months)", "", "number", "episode_months"),
    ("onset", "text", "Age at onset", "", "integer", "onset_age_years"),
    ("admissions", "text", "Earlier admissions to hospital", "", "integer", "prior_admissions"),
    ("attempts", "text", "Suicide attempts", "", "integer", "suicide_attempts"),
    ("fh_alcohol", "radio", "Family history of alcohol use disorder", _YES, "", "family_history_alcohol"),
    ("li", "radio", "On a mood stabiliser?", _YES, "", "mood_stabilizer"),
    ("substances", "radio", "Substance use", "0, Never | 1, In the past | 2, Current", "", "substance_use"),
    ("bzd", "text", "Benzodiazepine, mg diazepam a day", "", "number", "benzodiazepine_mg_per_day"),
    ("sbp", "text", "Systolic pressure (mmHg)", "", "integer", "systolic_mmhg"),
    ("dbp", "text", "Diastolic pressure (mmHg)", "", "integer", "diastolic_mmhg"),
    ("dose", "text", "Dose (mg/kg)", "", "number_1dp", "dose_mg_per_kg"),
    ("n_infusions", "text", "Number of infusions planned", "", "integer", "infusions_planned"),
]
_FEATURES = ("anxious_distress", "melancholic_features", "psychotic_features")
_LEVELS = {
    "sex": {"female": "1", "male": "2", "other": "3"},
    "diagnosis": {"MDD": "1", "BD-I": "2", "BD-II": "3", "BD": "4"},
    "substance_use": {"none": "0", "past": "1", "current": "2"},
}


def dictionary(path: Path) -> Path:
    """Write the data dictionary as the project's page offers it."""
    rows = [["record_id", "history", "", "text", "Record ID", "", "", ""]]
    rows += [
        [name, "history", "", kind, label, choices, "", valid] for name, kind, label, choices, valid, _ in _PATIENT
    ]
    choices = "1, with anxious distress | 2, with melancholic features | -3, with psychotic features"
    rows += [
        ["specifiers", "history", "", "checkbox", "<b>Specifiers</b>", choices, "", ""],
        ["infusion_1_at", "history", "", "text", "Start of the first infusion", "", "", "datetime_ymd"],
        ["notes", "history", "", "notes", "Notes on the episode", "", "", ""],
        ["madrs_10", "madrs", "", "text", "Suicidal thoughts", "", "", "integer"],
        ["madrs_total", "madrs", "", "calc", "MADRS total", "sum([madrs_1],[madrs_10])", "", ""],
        ["cadss", "madrs", "", "text", "CADSS total, 40 min", "", "", "integer"],
        ["rated_at", "madrs", "", "text", "Rated at", "", "", "datetime_ymd"],
    ]
    pd.DataFrame(rows, columns=_HEADER).to_csv(path, index=False)
    return path


def _patient(course: pd.Series) -> dict[str, object]:
    cells: dict[str, object] = {"redcap_data_access_group": course["site"]}
    for name, _, _, choices, _, column in _PATIENT:
        value = course[column]
        if column in _LEVELS:
            cells[name] = _LEVELS[column].get(value, "")
        elif choices == _YES and pd.isna(value):
            cells[name] = 9
        else:
            cells[name] = "" if pd.isna(value) else f"{value:.15g}"
    for number, column in zip(("1", "2", "_3"), _FEATURES, strict=True):
        cells[f"specifiers___{number}"] = "" if pd.isna(course[column]) else int(course[column])
    cells["infusion_1_at"] = "2024-03-04 09:00"
    cells["notes"] = "line one\nline two, with a comma"
    return cells


def _ratings(course: pd.Series) -> Iterator[tuple[str, dict[str, object]]]:
    for point, hours in [("baseline", -24.0), *((point.name, point.hours) for point in PROTOCOL.time_points)]:
        score = course[f"score_{point}"]
        if pd.isna(score):
            continue
        item = course["suicidality_item"] if point == "baseline" else 0
        cadss = course["cadss_40min"] if point == "40min" else float("nan")
        moment = pd.Timestamp("2024-03-04 09:00") + pd.Timedelta(hours=hours)
        yield (
            point,
            {
                "madrs_10": "" if pd.isna(item) else int(item),
                "madrs_total": f"{score:.15g}",
                "cadss": "" if pd.isna(cadss) else f"{cadss:.15g}",
                "rated_at": moment.strftime("%Y-%m-%d %H:%M"),
            },
        )


def longitudinal(cohort: pd.DataFrame, path: Path) -> Path:
    """Write the raw export of a project with an event for each rating."""
    rows = []
    for _, course in cohort.iterrows():
        for point, rating in _ratings(course):
            patient = _patient(course) if point == "baseline" else {}
            group = {"redcap_data_access_group": course["site"]}
            key = {"record_id": course["course_id"], "redcap_event_name": EVENTS[point]}
            rows.append({**key, **group, **patient, **rating})
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def repeating(cohort: pd.DataFrame, path: Path) -> Path:
    """Write the raw export of a project with the ratings as repeats of one form."""
    rows = []
    for _, course in cohort.iterrows():
        rows.append(
            {
                "record_id": course["course_id"],
                "redcap_repeat_instrument": "",
                "redcap_repeat_instance": "",
                **_patient(course),
            }
        )
        for number, (_, rating) in enumerate(_ratings(course), 1):
            repeat = {"redcap_repeat_instrument": "madrs", "redcap_repeat_instance": number}
            rows.append({"record_id": course["course_id"], **repeat, **rating})
    pd.DataFrame(rows).to_csv(path, index=False)
    return path
