"""A new cohort beside the courses that a model was trained on."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.columns import declared_columns
from ketapredict.cohort.outcomes import outcome_labels
from ketapredict.drift.calibration import OutcomesSeen, outcomes_seen
from ketapredict.drift.two_sample import (
    anderson_darling,
    division_p_value,
    holm,
    pearson,
    population_stability,
    probability_of_more,
    share_elsewhere,
    share_p_value,
)
from ketapredict.errors import CohortError, ModelError
from ketapredict.features.plan import FEWEST_ON_EITHER_SIDE
from ketapredict.model.bundle import EVIDENCE
from ketapredict.model.landmark_model import LandmarkModel
from ketapredict.model.training_profile import InputProfile, TrainingProfile, input_cells, profiled_columns
from ketapredict.response_model import ResponseModel

FEWEST_COURSES = 5
ALARM_LEVEL = 0.05
# A difference that concerns fewer courses changes little, however certain it is: a registry would never be silent.
LEAST_SHARE = 0.05
INPUT, MISSING, ESTIMATES, SCOPE, CALIBRATION = "input", "missing", "estimates", "scope", "calibration"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison of the new courses with the training courses.

    Attributes
    ----------
    landmark : str
    kind : {"input", "missing", "estimates", "scope", "calibration"}
    name, label : str
        Column of the cohort table, `probability`, or the outcome; what a reader calls it.
    training, new : int
        Courses with a value; for shares all courses.
    statistic : str
        What was tested: Anderson-Darling, chi-square, Fisher, in the large.
    share : float
        Share of the new courses that it concerns: that lie in another bin, that more or fewer lack a value, are out of
        scope, or have the outcome than expected. Signed for all but inputs and estimates.
    stability_index : float
        Population stability index; NaN for shares.
    higher : float
        Probability that a new course's value is higher than a training course's; NaN for levels and shares.
    p_value, adjusted_p_value : float
        The second by Holm's method over all comparisons of the run.
    """

    landmark: str
    kind: str
    name: str
    label: str
    training: int
    new: int
    statistic: str
    share: float
    stability_index: float
    higher: float
    p_value: float
    adjusted_p_value: float = 1.0

    @property
    def alarm(self) -> bool:
        """Whether it is hardly chance, and large enough to matter."""
        return self.adjusted_p_value < ALARM_LEVEL and abs(self.share) >= LEAST_SHARE

    @property
    def words(self) -> str:
        """What differs, in a sentence."""
        share, direction = f"{abs(self.share):.0%}", "more" if self.share > 0 else "fewer"
        match self.kind:
            case "missing":
                return f"{self.label}: missing in {share} {direction} of the new courses"
            case "scope":
                return f"{self.landmark}: {share} {direction} of the new courses are out of the model's scope"
            case "calibration":
                return f"{self.landmark}: {self.label} in {share} {direction} of the new courses than expected"
        side = "" if np.isnan(self.higher) else ", mostly higher" if self.higher > 0.5 else ", mostly lower"
        return f"{self.label}: {share} of the new courses lie elsewhere{side}"


@dataclass(frozen=True, slots=True)
class EstimatesCounted:
    """How many courses have estimates in each of the bins that the model stores.

    Attributes
    ----------
    edges : tuple of float
        Inner edges, ascending.
    training, new : tuple of int
        (edges + 1,).
    """

    edges: tuple[float, ...]
    training: tuple[int, ...]
    new: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Monitoring:
    """All comparisons of a run.

    Attributes
    ----------
    statement : str
        Of the model.
    model_name, model_version : str
    courses : int
        New courses that were compared.
    comparisons : tuple of Comparison
    outcomes : dict of str to OutcomesSeen
        By landmark, where outcomes are known.
    estimates : dict of str to EstimatesCounted
        By landmark.
    notes : tuple of str
    """

    statement: str
    model_name: str
    model_version: str
    courses: int
    comparisons: tuple[Comparison, ...]
    outcomes: dict[str, OutcomesSeen]
    estimates: dict[str, EstimatesCounted]
    notes: tuple[str, ...]

    @property
    def alarms(self) -> tuple[Comparison, ...]:
        """The comparisons that sound the alarm."""
        return tuple(found for found in self.comparisons if found.alarm)

    def to_plain(self) -> dict[str, Any]:
        """Return it as JSON values; a number that is none is null."""
        return {
            "statement": self.statement,
            "model": {"name": self.model_name, "version": self.model_version},
            "courses": self.courses,
            "alarm_level": ALARM_LEVEL,
            "alarms": [found.words for found in self.alarms],
            "comparisons": [_plain(asdict(found)) | {"alarm": found.alarm} for found in self.comparisons],
            "outcomes": {landmark: _plain(asdict(found)) for landmark, found in self.outcomes.items()},
            "estimates": {landmark: asdict(found) for landmark, found in self.estimates.items()},
            "notes": list(self.notes),
        }


def monitor(model: ResponseModel, cohort: Cohort, *, seed: int = 0) -> Monitoring:
    """Compare a new cohort with the training courses of a model.

    Each input is compared once, at the first of the model's landmarks that knows it, among the courses that reached
    that landmark, as those of training did; estimates, scope and outcomes at every landmark.

    Parameters
    ----------
    model : ResponseModel
    cohort : Cohort
        Read with the model's protocol and extra covariates. Control courses are left out unless the model was
        trained on all arms.
    seed : int

    Returns
    -------
    Monitoring

    Raises
    ------
    ModelError
        If the model holds no profile of its training courses, or the cohort does not fit it.
    CohortError
        If fewer than five courses reached any landmark.
    """
    bundle = model.bundle
    if all(found.profile is None for found in bundle.landmarks):
        if bundle.trained_on == EVIDENCE:
            raise ModelError(
                "Expected a model with training courses to compare with; this one is made of published evidence and "
                "has none. Train or update a model on courses of your own."
            )
        raise ModelError(
            "Expected a model with a profile of its training courses; this one has none. Train it again with this "
            "version of ketapredict."
        )
    model.refuse_other_cohort(cohort)
    courses = cohort if bundle.with_arm else cohort.subset(cohort.active)
    notes = [f"{len(cohort) - len(courses)} control courses left out"] if len(courses) < len(cohort) else []
    comparisons: list[Comparison] = []
    outcomes: dict[str, OutcomesSeen] = {}
    estimated: dict[str, EstimatesCounted] = {}
    largest = 0
    for position, landmark_model in enumerate(bundle.landmarks):
        landmark, profile = landmark_model.landmark, landmark_model.profile
        if profile is None:
            notes.append(f"{landmark}: the model has no profile of its training courses there")
            continue
        table = model.score(courses, landmark).table
        if len(table) < FEWEST_COURSES:
            notes.append(f"{landmark}: fewer than {FEWEST_COURSES} courses reached it")
            continue
        met = courses.subset(courses.table["course_id"].isin(table["course_id"]).to_numpy())
        largest = max(largest, len(met))
        rng = np.random.default_rng([seed, position])
        earlier = [before.landmark for before in bundle.landmarks[:position]]
        comparisons += _inputs(landmark, profile, met, earlier, rng)
        probability = table["probability"]
        comparisons.append(
            _distribution(landmark, ESTIMATES, f"estimates at {landmark}", profile.probability, probability, rng)
        )
        counted, _ = profile.probability.count(probability)
        estimated[landmark] = EstimatesCounted(
            profile.probability.edges, profile.probability.counts, tuple(counted.tolist())
        )
        comparisons.append(_scope(landmark, profile, table["in_scope"].to_numpy(bool, na_value=True)))
        labels = outcome_labels(met, bundle.outcome)
        known = ~np.isnan(labels)
        if int(known.sum()) >= FEWEST_COURSES:
            estimates = probability.to_numpy(float)[known]
            seen = outcomes_seen(labels[known], estimates, met.patients[known], _trained_with(landmark_model), rng)
            outcomes[landmark] = seen
            comparisons.append(_calibration(landmark, bundle.outcome, _trained_with(landmark_model), seen))
        if landmark_model.updated is not None:
            notes.append(
                f"{landmark}: compared with the courses of the original training, not with those of the update"
            )
    if not comparisons:
        raise CohortError(
            f"Expected at least {FEWEST_COURSES} courses that reached a landmark of the model; found fewer. "
            + "; ".join(notes)
            + "."
        )
    if not outcomes:
        notes.append("no outcomes yet: calibration is compared once at least five courses have one")
    adjusted = holm(np.array([found.p_value for found in comparisons]))
    told = tuple(replace(found, adjusted_p_value=float(p)) for found, p in zip(comparisons, adjusted, strict=True))
    return Monitoring(bundle.statement, bundle.name, model.version, largest, told, outcomes, estimated, tuple(notes))


def _trained_with(model: LandmarkModel) -> int:
    return model.updated.courses if model.updated else model.courses


def _inputs(
    landmark: str, profile: TrainingProfile, met: Cohort, earlier: list[str], rng: np.random.Generator
) -> list[Comparison]:
    columns = {column.name: column for column in profiled_columns(landmark, earlier, met.protocol, met.extras)}
    declared = declared_columns(met.protocol, met.extras)
    found = []
    for counted in profile.inputs:
        column = columns.get(counted.name, declared[counted.name])
        cells = input_cells(met, column)
        if cells.notna().any():
            found.append(_distribution(landmark, INPUT, column.label, counted, cells, rng))
        found += _missing(landmark, column.label, profile, counted, int(cells.isna().sum()), len(met))
    return found


def _distribution(
    landmark: str, kind: str, label: str, counted: InputProfile, cells: Any, rng: np.random.Generator
) -> Comparison:
    before = np.array(counted.counts)
    now, _ = counted.count(cells)
    statistic, name = (anderson_darling, "Anderson-Darling") if counted.is_number else (pearson, "chi-square")
    return Comparison(
        landmark,
        kind,
        counted.name,
        label,
        int(before.sum()),
        int(now.sum()),
        name,
        share_elsewhere(before, now),
        population_stability(before, now),
        probability_of_more(before, now) if counted.is_number else np.nan,
        division_p_value(before, now, statistic, rng),
    )


def _missing(
    landmark: str, label: str, profile: TrainingProfile, counted: InputProfile, missing: int, courses: int
) -> list[Comparison]:
    """Compare the shares without a value; none where nobody lacks it."""
    if not missing and not counted.missing:
        return []
    before = counted.missing or _few(missing / courses, profile.courses)
    share = missing / courses - before / profile.courses
    p_value = share_p_value(before, profile.courses, missing, courses)
    return [_of_share(landmark, MISSING, counted.name, label, profile.courses, courses, "Fisher", share, p_value)]


def _scope(landmark: str, profile: TrainingProfile, inside: np.ndarray) -> Comparison:
    outside, courses = int((~inside).sum()), len(inside)
    before = profile.outside or _few(outside / courses, profile.courses)
    share = outside / courses - before / profile.courses
    p_value = share_p_value(before, profile.courses, outside, courses, only_more=True)
    label = "out of scope"
    return _of_share(landmark, SCOPE, "in_scope", label, profile.courses, courses, "Fisher", share, p_value)


def _calibration(landmark: str, outcome: str, training: int, seen: OutcomesSeen) -> Comparison:
    share = (seen.events - seen.expected) / seen.courses
    statistic = "calibration in the large"
    return _of_share(landmark, CALIBRATION, outcome, outcome, training, seen.courses, statistic, share, seen.p_value)


def _of_share(
    landmark: str, kind: str, name: str, label: str, training: int, new: int, statistic: str, share: float, p: float
) -> Comparison:
    return Comparison(landmark, kind, name, label, training, new, statistic, share, np.nan, np.nan, p)


def _few(share: float, courses: int) -> int:
    """Return, where the model only says fewer than five, the number that speaks least for drift."""
    return int(np.clip(round(share * courses), 0, FEWEST_ON_EITHER_SIDE - 1))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            plain[name] = _plain(value)
        else:
            plain[name] = None if isinstance(value, float) and np.isnan(value) else value
    return plain
