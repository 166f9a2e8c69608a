"""What the REST interface takes and gives, as types: the description of the interface is made from them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints, create_model

from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.monitoring import open_questions
from ketapredict.response_model import ResponseModel
from ketapredict.web.api.monitoring import CourseNotes, MonitoringRule

# PostgreSQL takes no NUL, and no cell of a table has a reason for any other control character.
Text = Annotated[str, StringConstraints(strict=True, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
# A number may come as text, as it does in a file; the cohort's validation reads both.
_CELLS: dict[str, Any] = {
    "text": Text | None,
    "level": Text | None,
    "yes_no": StrictBool | Number | Text | None,
    "number": Number | Text | None,
    "score": Number | Text | None,
}


class Strict(BaseModel):
    """Takes no member that it does not know."""

    model_config = ConfigDict(extra="forbid")


def course_form(model: ResponseModel) -> type[BaseModel]:
    """Make the type of one course: the cohort table's columns under the model's protocol, its extras, the questions."""
    bundle = model.bundle
    extras = (*bundle.extras, *open_questions(bundle.protocol, bundle.extras))
    columns = declared_columns(bundle.protocol, extras)
    fields: dict[str, Any] = {name: _field(column) for name, column in columns.items()}
    return create_model("Course", __base__=Strict, __doc__="One course: one row of the cohort table.", **fields)


def _field(column: Column) -> tuple[Any, Any]:
    description = f"{column.label}: {column.expectation}"
    if column.known_at != "pre":
        description += f"; known at {column.known_at}"
    if column.required:
        # Its absence is for the cohort's validation to tell, course by course, as in a file.
        description += "; required"
    return (_CELLS[column.kind], Field(default=None, description=description))


class Finite(BaseModel):
    """Has no number that JSON cannot hold."""

    model_config = ConfigDict(allow_inf_nan=False)


class Interval(Finite):
    """90% interval of the probability."""

    low: float
    high: float


class Contribution(Finite):
    """What one concept adds to the log-odds, and the probability before and after it, largest first."""

    concept: str
    label: str
    log_odds: float
    probability_before: float
    probability_after: float


class MissingInput(BaseModel):
    """An input of the landmark's model that is not known of this patient: a training mean stands in for it."""

    name: str
    label: str


class Prediction(Finite):
    """One course's estimate and what it rests on. log-odds = base_logit + the sum of the contributions."""

    row: int = Field(description="Place of the course in the request, from 1.")
    course_id: str
    landmark: str
    outcome: str
    probability: float
    interval: Interval | None
    trained_on: str = Field(description="`simulated`, `evidence` or `real`: to be kept with the number.")
    in_scope: bool | None = Field(description="Whether the course is within what the model has seen.")
    notes: str = Field(description="What is out of scope, in words; inputs that were missing.")
    verdicts: list[str] | None = Field(
        description="What the cross-validation of the landmark's model did not show, such as any skill; null where the "
        "model holds none. To be shown beside the number."
    )
    later_ratings: list[str] = Field(
        description="Time points after the landmark that have a score: not in the estimate."
    )
    had_outcome: bool | None = Field(description="Whether the course had the outcome; null where it is not rated.")
    since: str = Field(description="The two in words, to be shown beside the number; empty where there is nothing.")
    missing_inputs: list[MissingInput]
    training_rate: float = Field(description="Share of the landmark's training courses that had the outcome.")
    training_courses: int
    updating_rate: float | None = Field(description="The same of the courses of the last update; null without one.")
    updating_courses: int | None
    base_logit: float
    contributions: list[Contribution]
    sentences: list[str]


class Reject(BaseModel):
    """One broken rule of one course; never the value."""

    row: int
    column: str | None
    rule: str
    expected: str


class ModelName(BaseModel):
    """Which model."""

    name: str
    version: str
    sha256: str
    trained_on: str


class Predictions(BaseModel):
    """What to watch in each course, estimates of those that could be predicted, and why others could not."""

    statement: str = Field(description="What the model was trained on: to be shown with every number.")
    caveat: str
    monitoring: list[CourseNotes] = Field(description="Rules, no predictions: to be shown before and apart from them.")
    rules: list[MonitoringRule] = Field(
        description="All rules that courses are held against, with their sources. Empty where the treatment is not "
        "ketamine: there are none here for any other."
    )
    model: ModelName
    courses: int
    predicted: int
    rejected: int
    predictions: list[Prediction]
    rejects: list[Reject]


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None
    rejects: list[Reject] | None = None


class ColumnFacts(BaseModel):
    """Declaration of a column: what a form needs to ask for it."""

    name: str
    kind: Literal["text", "number", "yes_no", "level", "score"]
    label: str
    concept: str
    concept_label: str
    known_at: str
    unit: str
    minimum: float | None
    maximum: float | None
    levels: list[str]
    required: bool
    expectation: str
    read_at: list[str] = Field(description="Landmarks whose model reads it.")


class QuestionFacts(BaseModel):
    """A question of the monitoring rules that no column answers; a course may hold the answer under its name."""

    name: str
    label: str
    expectation: str


class ScaleFacts(BaseModel):
    """A rating scale: the range of its scores is 0 to its maximum."""

    name: str
    maximum: int
    suicidality_item_maximum: int | None


class Schema(BaseModel):
    """What a course may hold."""

    columns: list[ColumnFacts]
    questions: list[QuestionFacts] = Field(description="Asked for monitoring only: no part of any estimate.")
    scales: list[ScaleFacts]
    landmarks: list[str]
    most_courses: int = Field(description="Courses in one request.")


class BandFacts(BaseModel):
    """Scores of one group of training courses at a time point, as shares of their scale's highest total."""

    time_point: str
    with_outcome: bool
    courses: int
    quantiles: list[float] = Field(description="The 10, 25, 50, 75 and 90% points.")


class LandmarkFacts(BaseModel):
    """The model of one landmark."""

    landmark: str
    moment: str
    courses: int
    patients: int
    events: int
    event_rate: float
    updated_with_courses: int | None


class ModelFacts(BaseModel):
    """What the model is."""

    statement: str
    name: str
    version: str
    sha256: str
    trained_on: str
    outcome: str
    outcome_at: str
    protocol: dict[str, Any]
    scales: list[str]
    with_arm: bool
    landmarks: list[LandmarkFacts]
    bands: list[BandFacts]
    provenance: dict[str, Any]


class Health(BaseModel):
    """Whether the server lives, or is ready."""

    status: Literal["alive", "ready"]
