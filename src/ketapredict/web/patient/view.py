"""The view of one patient: everything that the page and the summary show, from the model's own explanation."""

from dataclasses import dataclass

import numpy as np

from ketapredict.cohort.cells import is_missing
from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import outcome_thresholds
from ketapredict.cohort.protocols import PRE
from ketapredict.cohort.scales import SCALES, Scale
from ketapredict.errors import CohortError
from ketapredict.explain.patient import PatientExplanation
from ketapredict.explain.words import moment_words, percent
from ketapredict.monitoring import Note, Source, held_by_urgency, latest_rated, monitoring_notes
from ketapredict.response_model import ResponseModel
from ketapredict.web.patient.bar import probability_bar_svg
from ketapredict.web.patient.frequencies import between_in_ten, in_ten, outcome_words
from ketapredict.web.patient.inputs import Input, inputs_of
from ketapredict.web.patient.scores import ScoreAt, scores_over_time, scores_svg

OUT_OF_SCOPE = "out of scope: "
MISSING = "missing: "
# A difference of this much from the rate says nothing of a patient.
ABOUT_THE_SAME = 0.05


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the model says of one course at one landmark, in words and pictures.

    Attributes
    ----------
    told : PatientExplanation
        The same that `ketapredict explain` shows.
    of_ten : str
        The probability as so many in ten.
    plausibly : str
        The interval in tenths, rounded outward; empty without one.
    rate_words : str
        The share of the training courses with the outcome: `about 5 in 10 (52%) of the 339 training courses`.
    is_about_the_rate : bool
        Whether the estimate is within 5 percentage points of that share.
    bar, waterfall : str
        SVG.
    out_of_scope : tuple of str
        Why the patient is unlike those of the training data.
    cautions : tuple of str
        Other notes of the model.
    verdicts : tuple of str or None
        What the cross-validation of the landmark's model did not show; None where the model holds none.
    inputs : tuple of Input
    """

    told: PatientExplanation
    of_ten: str
    plausibly: str
    rate_words: str
    is_about_the_rate: bool
    bar: str
    waterfall: str
    out_of_scope: tuple[str, ...]
    cautions: tuple[str, ...]
    verdicts: tuple[str, ...] | None
    inputs: tuple[Input, ...]

    @property
    def log_odds(self) -> float:
        """The base value and all contributions added up: the log-odds of the estimate."""
        return self.told.base_logit + sum(contribution for _, contribution, _, _ in self.told.steps)

    @property
    def used(self) -> tuple[Input, ...]:
        """The inputs that were there."""
        return tuple(found for found in self.inputs if not found.is_missing)

    @property
    def missing(self) -> tuple[Input, ...]:
        """The inputs that were not."""
        return tuple(found for found in self.inputs if found.is_missing)


@dataclass(frozen=True, slots=True)
class PatientView:
    """One patient.

    Attributes
    ----------
    course_id : str
    outcome : str
        What is estimated, in words: the rule and when it is judged.
    gives_ketamine : bool
        Without it there are no monitoring notes.
    notes : tuple of Note
        Monitoring notes, of what is known now.
    now : str
        `pre`, or the latest time point with a score.
    estimate : Estimate or None
    refusal : str
        Why there is no estimate; empty where there is one.
    landmarks : tuple of str
        At which an estimate could be made.
    scale : Scale
    scores : tuple of ScoreAt
    scores_picture : str
        SVG.
    """

    course_id: str
    outcome: str
    gives_ketamine: bool
    notes: tuple[Note, ...]
    now: str
    estimate: Estimate | None
    refusal: str
    landmarks: tuple[str, ...]
    scale: Scale
    scores: tuple[ScoreAt, ...]
    scores_picture: str

    def notes_in(self, state: str) -> tuple[Note, ...]:
        """Return the notes in one state: `holds`, `unknown`, `clear` or `not applicable`."""
        return tuple(note for note in self.notes if note.state == state)

    @property
    def counts(self) -> str:
        """How many notes hold by urgency, and how many could not be checked, in one line."""
        told = [f"{urgency}: {count}" for urgency, count in held_by_urgency(self.notes).items()]
        unknown = len(self.notes_in("unknown"))
        return "; ".join([*told, *([f"could not be checked: {unknown}"] if unknown else [])])

    @property
    def unknown_by_urgency(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What is not known, each once, by the urgency of the first rule that asks for it."""
        groups: dict[str, list[str]] = {}
        told: set[str] = set()
        for note in self.notes_in("unknown"):
            groups.setdefault(note.rule.urgency, []).extend(text for text in note.missing if text not in told)
            told.update(note.missing)
        return tuple((urgency, tuple(texts)) for urgency, texts in groups.items() if texts)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources of the notes that hold, each once: a printed page refers to them by their number."""
        return tuple(dict.fromkeys(source for note in self.notes_in("holds") for source in note.rule.sources))

    @property
    def settled(self) -> tuple[tuple[str, tuple[Note, ...]], ...]:
        """What was checked without a finding, by when that was: what was normal once may not be so now."""
        clear = self.notes_in("clear")
        groups: dict[str, list[Note]] = {}
        for note in sorted(clear, key=lambda note: (note.known_at == "", note.known_at != self.now)):
            groups.setdefault(self._checked_words(note.known_at), []).append(note)
        return tuple((words, tuple(found)) for words, found in groups.items())

    def _checked_words(self, known_at: str) -> str:
        if not known_at:
            return "Not due at this moment"
        if known_at == self.now:
            return f"Checked {landmark_words(known_at)}: nothing found"
        return f"Checked {landmark_words(known_at)}, not since: nothing found then"


def patient_view(model: ResponseModel, course: Cohort, landmark: str | None = None) -> PatientView:
    """Make the view of one course.

    Parameters
    ----------
    model : ResponseModel
    course : Cohort
        One course.
    landmark : str or None
        The latest by default.

    Raises
    ------
    ModelError
        If the model has no such landmark, or the cohort does not fit it.
    """
    bundle = model.bundle
    (values,) = course.courses.plain_rows()
    scale = SCALES[str(values["scale"])]
    estimate, refusal = None, ""
    try:
        estimate = estimate_of(model, course, landmark)
    except CohortError as error:
        refusal = str(error)
    now = latest_rated(values, bundle.protocol)
    scores = scores_over_time(values, bundle.protocol, scale, bundle.bands)
    threshold = float(outcome_thresholds(course.courses, bundle.outcome)[0])
    made_at = estimate.told.landmark if estimate else PRE
    return PatientView(
        course_id=str(values["course_id"]),
        outcome=outcome_words(bundle.outcome, bundle.protocol.outcome),
        gives_ketamine=bundle.protocol.gives_ketamine,
        notes=monitoring_notes(values, bundle.protocol, now, course.extras),
        now=now,
        estimate=estimate,
        refusal=refusal,
        landmarks=tuple(name for name in model.landmarks if name == PRE or not is_missing(values[f"score_{name}"])),
        scale=scale,
        scores=scores,
        scores_picture=scores_svg(scores, scale, bundle.outcome, made_at, None if np.isnan(threshold) else threshold),
    )


def estimate_of(model: ResponseModel, course: Cohort, landmark: str | None = None) -> Estimate:
    """Make the estimate of one course.

    Raises
    ------
    CohortError
        If the course cannot be predicted.
    ModelError
        If the model has no such landmark, or the cohort does not fit it.
    """
    (values,) = course.courses.plain_rows()
    told = model.explain(course, values["course_id"], landmark)
    (fitted,) = [found for found in model.bundle.landmarks if found.landmark == told.landmark]
    notes = [note for note in told.notes.split("; ") if note and not note.startswith(MISSING)]
    rate, courses, whose = told.training_rate, told.training_courses, told.training_whose
    if told.updating_rate is not None and told.updating_courses is not None:
        rate, courses, whose = told.updating_rate, told.updating_courses, "courses it was updated with"
    return Estimate(
        told=told,
        of_ten=in_ten(told.probability),
        plausibly="" if told.p_low is None or told.p_high is None else between_in_ten(told.p_low, told.p_high),
        rate_words=f"{in_ten(rate)} ({percent(rate)}) of the {courses} {whose}",
        is_about_the_rate=abs(told.probability - rate) <= ABOUT_THE_SAME,
        bar=probability_bar_svg(told.probability, told.p_low, told.p_high, rate, whose),
        waterfall=told.to_svg(),
        out_of_scope=tuple(note.removeprefix(OUT_OF_SCOPE) for note in notes if note.startswith(OUT_OF_SCOPE)),
        cautions=tuple(note for note in notes if not note.startswith(OUT_OF_SCOPE)),
        verdicts=verdicts_of(model, told.landmark),
        inputs=inputs_of(fitted, values, course.columns),
    )


def verdicts_of(model: ResponseModel, landmark: str) -> tuple[str, ...] | None:
    """Return what cross-validation did not show, without the landmark's name: it stands beside its estimate."""
    found = model.bundle.verdicts(landmark)
    if found is None:
        return None
    texts = (text.removeprefix(f"{landmark}: ") for text in found)
    return tuple(text[:1].upper() + text[1:] for text in texts)


def landmark_words(landmark: str) -> str:
    """Return when an estimate was made, in words."""
    return moment_words(landmark) if landmark == PRE else f"at {moment_words(landmark)}"
