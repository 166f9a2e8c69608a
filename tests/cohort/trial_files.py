"""A cohort written as the files of a trial: ADaM, SDTM. What a reader makes of them is the cohort again."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat

from ketapredict.cohort.protocols import BUILT_IN

PROTOCOL = BUILT_IN["induction-course"]
ON_DAY_1 = ("40min", "4h")
# Variables of ADSL (eight letters at most) for columns of the cohort table.
NUMBERS = {
    "failed_trials": "FAILTRLN",
    "episode_months": "EPISMON",
    "onset_age_years": "ONSETAGE",
    "prior_admissions": "PRADMN",
    "suicide_attempts": "SUICATTN",
    "benzodiazepine_mg_per_day": "BZDDOSE",
    "systolic_mmhg": "SYSBPBL",
    "diastolic_mmhg": "DIABPBL",
    "dose_mg_per_kg": "DOSEKG",
    "infusions_planned": "INFPLAN",
}
TEXTS = {
    "failed_ect": "FAILECT",
    "family_history_alcohol": "FHALC",
    "anxious_distress": "ANXDIS",
    "melancholic_features": "MELANCH",
    "psychotic_features": "PSYCHOT",
    "mood_stabilizer": "MOODSTAB",
    "substance_use": "SUBSTUSE",
    "diagnosis": "DIAGGRP",
}
SEXES = {"female": "F", "male": "M", "other": "UNDIFFERENTIATED"}
ITEMS = 10


def plain_cohort(sample: Path, folder: Path, courses: int = 40) -> Path:
    """Write the first courses of the sample cohort as a plain CSV, each course the only one of its patient."""
    frame = pd.read_csv(sample).head(courses)
    frame["patient_id"] = frame["course_id"]
    path = folder / "plain.csv"
    frame.to_csv(path, index=False)
    return path


def adsl(cohort: pd.DataFrame) -> pd.DataFrame:
    """One row a patient."""
    frame = pd.DataFrame(
        {
            "STUDYID": "SIM-01",
            "USUBJID": cohort["course_id"],
            "SITEID": cohort["site"],
            "AGE": cohort["age_years"],
            "SEX": cohort["sex"].map(SEXES),
            "BMIBL": cohort["bmi_kg_m2"],
            "SAFFL": "Y",
            "TRT01A": "Ketamine",
            "TRTSDT": pd.Timestamp("2024-03-04").date(),
        }
    )
    for column, variable in (NUMBERS | TEXTS).items():
        frame[variable] = cohort[column]
    return frame


def visits(cohort: pd.DataFrame) -> Iterator[tuple[str, str, float, int]]:
    """Yield course, time point (or baseline), score and study day of every rating."""
    for _, course in cohort.iterrows():
        yield course["course_id"], "baseline", course["score_baseline"], -1
        for point in PROTOCOL.time_points:
            score = course[f"score_{point.name}"]
            if not np.isnan(score):
                yield course["course_id"], point.name, score, 1 + int(point.hours // 24)


def adqs(cohort: pd.DataFrame) -> pd.DataFrame:
    """One record a visit, and those that an analysis leaves out: unflagged, imputed, of another scale."""
    base = cohort.set_index("course_id")["score_baseline"]
    records = []
    for course, point, score, day in visits(cohort):
        record = {
            "USUBJID": course,
            "PARAMCD": "MADRSTOT",
            "AVISIT": "Baseline" if point == "baseline" else f"Day {day}",
            "ATPT": {"40min": "40 min", "4h": "4 h"}.get(point, ""),
            "ADY": float(day),
            "AVAL": score,
            "BASE": base[course],
            "ABLFL": "Y" if point == "baseline" else "",
            "ANL01FL": "" if point == "baseline" else "Y",
            "DTYPE": "",
        }
        records += [
            record,
            {**record, "AVAL": 59.0, "ANL01FL": "", "ABLFL": ""},
            {**record, "AVAL": 58.0, "ANL01FL": "Y", "ABLFL": "", "DTYPE": "LOCF"},
            {**record, "AVAL": 20.0, "PARAMCD": "QIDSTOT"},
        ]
    return pd.DataFrame(records)


def item_records(cohort: pd.DataFrame) -> Iterator[tuple[str, str, int, int, float]]:
    """Yield course, time point, study day, number of the item and its value: items that sum to the score."""
    first = cohort.set_index("course_id")["suicidality_item"]
    for course, point, score, day in visits(cohort):
        last = first[course] if point == "baseline" and not np.isnan(first[course]) else min(6.0, score)
        left = score - last
        for number in range(1, ITEMS):
            value = min(6.0, left)
            left -= value
            yield course, point, day, number, value
        yield course, point, day, ITEMS, last + left


def adqs_items(cohort: pd.DataFrame) -> pd.DataFrame:
    """One record for each item of a visit, and the CADSS at 40 min as a further parameter."""
    records = []
    for course, point, day, number, value in item_records(cohort):
        record = {
            "USUBJID": course,
            "PARAMCD": f"MADRS{number:02d}",
            "AVISIT": "Baseline" if point == "baseline" else f"Day {day}",
            "ATPT": {"40min": "40 min", "4h": "4 h"}.get(point, ""),
            "ADY": float(day),
            "AVAL": value,
            "ABLFL": "Y" if point == "baseline" else "",
        }
        records.append(record)
        if number == ITEMS and point == "40min":
            cadss = cohort.loc[cohort["course_id"] == course, "cadss_40min"].iloc[0]
            records.append({**record, "PARAMCD": "CADSSTOT", "AVAL": cadss})
    return pd.DataFrame(records)


def dm(cohort: pd.DataFrame) -> pd.DataFrame:
    """One row a patient."""
    return pd.DataFrame(
        {
            "USUBJID": cohort["course_id"],
            "SITEID": cohort["site"],
            "AGE": cohort["age_years"],
            "SEX": cohort["sex"].map(SEXES),
            "ACTARM": "Ketamine",
            "RFXSTDTC": "2024-03-04T09:00",
        }
    )


def qs(cohort: pd.DataFrame) -> pd.DataFrame:
    """One record for each item of a visit."""
    return pd.DataFrame(
        {
            "USUBJID": course,
            "QSCAT": "MADRS",
            "QSTESTCD": f"MADR01{number:02d}",
            "QSSTRESN": value,
            "QSLOBXFL": "Y" if point == "baseline" else "",
            "VISIT": "SCREENING" if point == "baseline" else f"DAY {day}",
            "QSTPT": {"40min": "40 MINUTES POST-DOSE", "4h": "4 HOURS POST-DOSE"}.get(point, ""),
            "QSDY": float(day),
        }
        for course, point, day, number, value in item_records(cohort)
    )


def vs(cohort: pd.DataFrame) -> pd.DataFrame:
    """Two pressures of two visits a patient."""
    records = []
    for _, course in cohort.iterrows():
        for test, column in (("SYSBP", "systolic_mmhg"), ("DIABP", "diastolic_mmhg")):
            for flag, value in (("Y", course[column]), ("", 100.0)):
                records.append({"USUBJID": course["course_id"], "VSTESTCD": test, "VSLOBXFL": flag, "VSSTRESN": value})
    return pd.DataFrame(records)


def write_xpt(frame: pd.DataFrame, path: Path) -> None:
    """Write a transport file, version 5, as regulators want it; empty text where nothing stands."""
    texts = frame.select_dtypes(["object", "str"]).columns
    dates = [name for name in texts if frame[name].map(lambda cell: hasattr(cell, "isoformat")).any()]
    filled = frame.assign(**{name: frame[name].fillna("").astype(str) for name in texts.difference(dates)})
    pyreadstat.write_xport(filled, path, file_format_version=5, table_name=path.stem.upper())
