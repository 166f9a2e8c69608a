"""The one declaration of every column: type, range, levels, unit, concept, when it is known.

The validator, the readers, the design matrix, the leakage guard and every document about the cohort
table derive from what stands here.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ketapredict.cohort.protocols import BASELINE, PRE, Protocol
from ketapredict.cohort.scales import SCALES
from ketapredict.errors import LeakageError

Kind = Literal["text", "number", "yes_no", "level", "score"]

CONCEPTS: dict[str, str] = {
    "early_improvement": "early improvement",
    "severity": "severity at baseline",
    "diagnosis": "diagnosis",
    "treatment_resistance": "treatment resistance",
    "earlier_ketamine": "response to earlier ketamine",
    "illness_history": "history of the illness",
    "suicidality": "suicidality",
    "age": "age",
    "sex": "sex",
    "body_mass": "body mass",
    "family_history": "family history",
    "symptom_profile": "symptom profile",
    "medication": "medication",
    "substance_use": "substance use",
    "blood_pressure": "blood pressure",
    "dosing": "dose and schedule",
    "dissociation": "dissociation at 40 min",
    "treatment_arm": "treatment arm",
    "rating_scale": "rating scale",
}


@dataclass(frozen=True, slots=True)
class Column:
    """Declaration of one column of the cohort table.

    Attributes
    ----------
    name : str
        Column name, with its unit where it has one.
    kind : {"text", "number", "yes_no", "level", "score"}
        `score` is a total of the course's own scale, in points.
    label : str
        What a clinician calls it.
    concept : str
        The concept under which its contributions are summed; empty for columns that never enter a model.
    known_at : str
        `pre` or the name of a time point.
    unit : str
    minimum, maximum : float or None
        Closed range; for scores the scale's own.
    levels : tuple of str
        Accepted levels; the first is the reference of the design matrix.
    required : bool
    skewed : bool
        Whether it enters a model as log(1 + x): counts and durations with long tails.
    resolution : float
        Step to which thresholds and knots are rounded, so that no single patient's value is kept. A number
        whose whole range is below it has no curve and no threshold: see `default_resolution`.
    """

    name: str
    kind: Kind
    label: str
    concept: str = ""
    known_at: str = PRE
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    levels: tuple[str, ...] = ()
    required: bool = False
    skewed: bool = False
    resolution: float = 1.0

    @property
    def expectation(self) -> str:
        """What a valid cell holds, in words, for error messages and forms."""
        match self.kind:
            case "yes_no":
                return "yes or no"
            case "level":
                return "one of " + ", ".join(self.levels)
            case "score":
                return "a total of the scale, in points, within its range"
            case "text":
                return "text"
        unit = f" {self.unit}" if self.unit else ""
        if self.minimum is not None and self.maximum is not None:
            return f"a number from {self.minimum:g} to {self.maximum:g}{unit}"
        if self.minimum is not None:
            return f"a number of {self.minimum:g}{unit} or more"
        return f"a number{unit}"


def _yes_no(name: str, label: str, concept: str) -> Column:
    return Column(name, "yes_no", label, concept)


def _count(name: str, label: str, concept: str, unit: str, maximum: float | None = None) -> Column:
    return Column(name, "number", label, concept, unit=unit, minimum=0, maximum=maximum, skewed=True)


_PATIENT_COLUMNS: tuple[Column, ...] = (
    Column("course_id", "text", "course", required=True),
    Column("patient_id", "text", "patient"),
    Column("site", "text", "site"),
    Column("age_years", "number", "age", "age", unit="years", minimum=12, maximum=100),
    Column("sex", "level", "sex", "sex", levels=("female", "male", "other")),
    Column("bmi_kg_m2", "number", "body mass index", "body_mass", unit="kg/m2", minimum=10, maximum=80),
    Column(
        "diagnosis",
        "level",
        "diagnosis",
        "diagnosis",
        levels=("MDD", "BD-I", "BD-II", "BD"),
        required=True,
    ),
    Column("scale", "level", "rating scale", "rating_scale", levels=tuple(SCALES), required=True),
    _count("failed_trials", "failed antidepressant trials", "treatment_resistance", "trials", 50),
    _yes_no("failed_ect", "failed ECT", "treatment_resistance"),
    _yes_no("prior_ketamine_response", "response to earlier ketamine", "earlier_ketamine"),
    _count("episode_months", "length of the episode", "illness_history", "months"),
    Column("onset_age_years", "number", "age at onset", "illness_history", unit="years", minimum=0),
    _count("prior_admissions", "earlier admissions", "illness_history", "admissions"),
    _count("suicide_attempts", "suicide attempts", "suicidality", "attempts"),
    _yes_no("family_history_alcohol", "family history of alcohol use disorder", "family_history"),
    _yes_no("anxious_distress", "anxious distress", "symptom_profile"),
    _yes_no("melancholic_features", "melancholic features", "symptom_profile"),
    _yes_no("psychotic_features", "psychotic features", "symptom_profile"),
    _yes_no("mood_stabilizer", "mood stabiliser", "medication"),
    _yes_no("maoi_or_stimulant", "MAOI or stimulant", "medication"),
    _yes_no("past_ketamine_misuse", "past misuse of ketamine", "substance_use"),
    Column("substance_use", "level", "substance use", "substance_use", levels=("none", "past", "current")),
    _count("benzodiazepine_mg_per_day", "benzodiazepine dose", "medication", "mg/day diazepam", 200),
    Column("systolic_mmhg", "number", "systolic pressure", "blood_pressure", unit="mmHg", minimum=60, maximum=260),
    Column(
        "diastolic_mmhg",
        "number",
        "diastolic pressure",
        "blood_pressure",
        unit="mmHg",
        minimum=30,
        maximum=160,
    ),
    # Its range is that of the scale's own item and is checked against the course's scale.
    Column(
        "suicidality_item",
        "number",
        "suicidality item",
        "suicidality",
        unit="points",
        minimum=0,
        resolution=0.05,
    ),
    Column(
        "dose_mg_per_kg",
        "number",
        "dose",
        "dosing",
        unit="mg/kg",
        minimum=0.1,
        maximum=2,
        resolution=0.05,
    ),
    Column("infusions_planned", "number", "planned infusions", "dosing", unit="infusions", minimum=1, maximum=30),
    Column(
        "cadss_40min",
        "number",
        "dissociation (CADSS) at 40 min",
        "dissociation",
        known_at="40min",
        unit="points",
        minimum=0,
        maximum=92,
    ),
)


def arm_column(protocol: Protocol) -> Column:
    """Declare the treatment arm under a protocol; the control is the reference level."""
    return Column("arm", "level", "treatment arm", "treatment_arm", levels=("control", protocol.active_treatment))


def score_column(time_point: str) -> Column:
    """Declare the score at a time point, or at the baseline."""
    if time_point == BASELINE:
        return Column("score_baseline", "score", "score at baseline", "severity", PRE, "points", required=True)
    return Column(f"score_{time_point}", "score", f"score at {time_point}", "early_improvement", time_point, "points")


def default_resolution(minimum: float, maximum: float) -> float:
    """Return a hundredth of a range, rounded to 1, 2 or 5 times a power of ten: 0.01 for 0 to 1."""
    hundredth = (maximum - minimum) / 100
    power = math.floor(math.log10(hundredth))
    steps = [float(f"{digit}e{power}") for digit in (1, 2, 5, 10)]
    return min(steps, key=lambda step: abs(math.log(step / hundredth)))


def is_reserved(name: str) -> bool:
    """Whether a name, in any case, belongs to the cohort table under some protocol: no extra covariate may have it."""
    folded = name.casefold()
    return folded == "arm" or folded.startswith("score_") or folded in {column.name for column in _PATIENT_COLUMNS}


def declared_columns(protocol: Protocol, extras: tuple[Column, ...] = ()) -> dict[str, Column]:
    """Declare every column of a cohort table under a protocol, in the order of the table.

    Parameters
    ----------
    protocol : Protocol
        Names the time points, hence the score columns, and the active treatment.
    extras : tuple of Column
        Extra covariates that a mapping or a model declares.

    Returns
    -------
    dict of str to Column

    Raises
    ------
    LeakageError
        If an extra covariate has the name of a column of the cohort table, or of another extra covariate: its
        declaration would replace the one that says when the column is known.
    """
    return {column.name: column for column in _declared(protocol, extras)}


# The same for each of many courses that are read one by one.
@lru_cache(maxsize=64)
def _declared(protocol: Protocol, extras: tuple[Column, ...]) -> tuple[Column, ...]:
    columns = [*_PATIENT_COLUMNS[:3], arm_column(protocol), *_PATIENT_COLUMNS[3:]]
    columns.append(score_column(BASELINE))
    columns.extend(score_column(point.name) for point in protocol.time_points)
    for number, extra in enumerate(extras):
        if is_reserved(extra.name) or extra.name in {other.name for other in extras[:number]}:
            raise LeakageError(
                f"The extra covariate {extra.name} has the name of another column of the cohort table. "
                "Expected a name of its own (score_... is kept for scores)."
            )
    return (*columns, *extras)
