"""One patient's explanation: probability, steps, sentences, picture, as data and as a page."""

import json
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.columns import Column
from ketapredict.cohort.outcomes import outcome_labels
from ketapredict.explain.contributions import Contributions
from ketapredict.explain.picture import waterfall_svg
from ketapredict.explain.since import Since, since_landmark
from ketapredict.explain.words import (
    concept_label,
    interval_words,
    moment_words,
    percent,
    sentences,
    steps_largest_first,
)
from ketapredict.model.bundle import Bundle
from ketapredict.model.landmark_model import LandmarkModel

CAVEAT = (
    "The words describe what the model's estimate rests on, not what causes response. A low estimate is no reason "
    "to stop treatment, a high one no reason to watch less closely."
)


@dataclass(frozen=True, slots=True)
class PatientExplanation:
    """Why the model estimates what it estimates for one course.

    Attributes
    ----------
    statement : str
        What the model was trained on; the first line of everything shown.
    course_id, landmark, outcome, model_name, model_version : str
    probability, base_logit : float
    p_low, p_high : float or None
        90% interval of the probability; None where the model has none.
    in_scope : bool or None
        Whether the course is within what the model has seen; the reasons are in `notes`.
    training_rate : float
        Share of the landmark's training courses that had the outcome.
    training_courses : int
    training_whose : str
        What these courses are in words: `training courses`, or `simulated courses` for a model that none has fitted.
    updating_rate : float or None
        The same share among the courses of the last update; None for a model that was not updated.
    updating_courses : int or None
    steps : list of (str, float, float, float)
        Concept, contribution to the log-odds, probability before and after it; largest first.
    by_column : dict of str to float
        Contribution of each design column.
    sentences : list of str
    notes : str
    later_ratings : tuple of str
        Time points after the landmark that have a score: not in the estimate.
    had_outcome : bool or None
        Whether the course had the outcome; None where that is not rated.
    largest_residual : float
    """

    statement: str
    course_id: str
    landmark: str
    outcome: str
    model_name: str
    model_version: str
    probability: float
    p_low: float | None
    p_high: float | None
    in_scope: bool | None
    base_logit: float
    training_rate: float
    training_courses: int
    training_whose: str
    updating_rate: float | None
    updating_courses: int | None
    steps: list[tuple[str, float, float, float]]
    by_column: dict[str, float]
    sentences: list[str]
    notes: str
    later_ratings: tuple[str, ...]
    had_outcome: bool | None
    largest_residual: float

    @property
    def headline(self) -> str:
        """The estimate in one sentence."""
        interval = interval_words(self.p_low, self.p_high)
        return (
            f"Estimated probability of {self.outcome}: {percent(self.probability)}"
            f"{', ' + interval if interval else ''} (made at: "
            f"{moment_words(self.landmark)}; {self._rates})."
        )

    @property
    def since(self) -> str:
        """What is known since the estimate was made, to stand beside it; empty where nothing is."""
        return Since(self.landmark, self.outcome, self.later_ratings, self.had_outcome).words

    @property
    def _rates(self) -> str:
        """What share had the outcome, that of the own site first: it is what the estimate is to be held against."""
        training = f"{percent(self.training_rate)} of the {self.training_courses} {self.training_whose}"
        if self.updating_rate is None:
            return f"{training} had it"
        own = f"{percent(self.updating_rate)} of the {self.updating_courses} courses it was updated with"
        return f"{own} had it, and {training}"

    def to_svg(self, *, compact: bool = False) -> str:
        """Return the waterfall picture; a compact one has neither title nor statement."""
        title = f"Probability of {self.outcome}: {percent(self.probability)}, at {moment_words(self.landmark)}"
        interval = None if self.p_low is None or self.p_high is None else (self.p_low, self.p_high)
        return waterfall_svg(self.steps, self.base_logit, title, self.statement, interval, compact=compact)

    def to_json(self) -> str:
        """Return everything as JSON."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        names = ("concept", "contribution", "probability_before", "probability_after")
        plain["steps"] = [dict(zip(names, step, strict=True)) for step in self.steps]
        return json.dumps(plain, indent=1, allow_nan=False) + "\n"

    def to_text(self) -> str:
        """Return the explanation as plain text."""
        lines = [self.statement, "", self.headline, *([self.since] if self.since else []), "", *self.sentences]
        if self.notes:
            lines += ["", f"Note: {self.notes}."]
        return "\n".join([*lines, "", CAVEAT]) + "\n"

    def to_html(self) -> str:
        """Return a page of its own, without any outside address."""
        items = "\n".join(f"<li>{escape(sentence)}</li>" for sentence in self.sentences)
        rows = "\n".join(
            f"<tr><td>{escape(concept_label(concept))}</td><td>{value:+.3f}</td><td>{percent(before)}</td>"
            f"<td>{percent(after)}</td></tr>"
            for concept, value, before, after in self.steps
        )
        note = f"<p>Note: {escape(self.notes)}.</p>" if self.notes else ""
        since = f"\n<p><strong>{escape(self.since)}</strong></p>" if self.since else ""
        return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(self.course_id)}: explanation</title>
<style>body{{font:16px/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color:#111}}
.statement{{border:2px solid #8a1c00;padding:.5rem 1rem;font-weight:bold}}svg{{max-width:100%;height:auto}}
td,th{{padding:.2rem .8rem .2rem 0;text-align:left}}</style></head><body>
<p class="statement">{escape(self.statement)}</p>
<h1>Course {escape(self.course_id)}</h1>
<p><strong>{escape(self.headline)}</strong></p>{since}
{self.to_svg()}
<ul>
{items}
</ul>
{note}
<p>{escape(CAVEAT)}</p>
<table><thead><tr><th>concept</th><th>log-odds</th><th>from</th><th>to</th></tr></thead><tbody>
{rows}
</tbody></table>
<p>Log-odds start at {self.base_logit:.3f}: the model at the training means, not an average patient. The log-odds of
the rows add up to the estimate (difference from an independent computation: {self.largest_residual:.0e}). Model
{escape(self.model_name)}, version {escape(self.model_version)}.</p>
</body></html>
"""


def explain_course(
    bundle: Bundle,
    version: str,
    model: LandmarkModel,
    course: Cohort,
    found: Contributions,
    notes: str,
    in_scope: bool | None,
) -> PatientExplanation:
    """Put one course's contributions into words.

    Parameters
    ----------
    bundle : Bundle
    version : str
    model : LandmarkModel
    course : Cohort
        One course.
    found : Contributions
        Of that course.
    notes : str
    in_scope : bool or None
    """
    steps = steps_largest_first(found.base_logit, found.concepts, found.by_concept[0])
    # A concept without any contribution in this model at this landmark has nothing to tell.
    steps = [step for step in steps if step[1] != 0.0]
    (values,) = course.courses.plain_rows()
    label = float(outcome_labels(course, bundle.outcome)[0])
    since = since_landmark(values, course.protocol, model.landmark, bundle.outcome, label)
    return PatientExplanation(
        statement=bundle.statement,
        course_id=str(values["course_id"]),
        landmark=model.landmark,
        outcome=bundle.outcome,
        model_name=bundle.name,
        model_version=version,
        probability=float(found.probability[0]),
        p_low=None if np.isnan(found.p_low[0]) else float(found.p_low[0]),
        p_high=None if np.isnan(found.p_high[0]) else float(found.p_high[0]),
        in_scope=in_scope,
        base_logit=found.base_logit,
        training_rate=model.event_rate,
        training_courses=model.courses,
        training_whose=model.whose_courses,
        updating_rate=model.latest_rate if model.updated else None,
        updating_courses=model.updated.courses if model.updated else None,
        steps=steps,
        by_column={
            name: float(value)
            for name, value in zip(found.columns, found.by_column[0], strict=True)
            if abs(value) > 1e-12
        },
        sentences=sentences(steps, values, columns_read(model, course), course.protocol, model.landmark),
        notes=notes,
        later_ratings=since.later_ratings,
        had_outcome=since.had_outcome,
        largest_residual=found.largest_residual,
    )


def columns_read(model: LandmarkModel, course: Cohort) -> dict[str, Column]:
    """Return the declarations of the columns that this landmark's model reads: nothing else is a reason."""
    read = {name for feature in model.features for name in feature.columns}
    return {name: column for name, column in course.columns.items() if name in read}
