"""The response model as its users hold it: fit, load, save, predict, explain."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from ketapredict.cohort.cohort import REJECT_COLUMNS, Cohort
from ketapredict.cohort.columns import declared_columns
from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.cohort.outcomes import outcome_thresholds
from ketapredict.cohort.protocols import PRE
from ketapredict.errors import CohortError, ModelError
from ketapredict.explain.contributions import Estimates, contributions, estimates
from ketapredict.explain.patient import PatientExplanation, explain_course
from ketapredict.explain.scored import SHAP, ScoredColumns
from ketapredict.features.design import Feature, columns_read, feature_columns, features_at
from ketapredict.features.feature_column import FeatureColumn
from ketapredict.features.landmarks import latest_landmarks
from ketapredict.model.bundle import MODEL_FILE, Bundle, bundle_folder, bundle_sha256, load_bundle, save_bundle
from ketapredict.model.landmark_model import LandmarkModel
from ketapredict.model.phrases import Phrases, both_phrases, joined_phrases
from ketapredict.model.scope import ScopeRules, scope_rules

_NO_REJECTS = pd.DataFrame([], columns=list(REJECT_COLUMNS))


@dataclass(frozen=True, slots=True)
class Scored:
    """Predictions for a cohort.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per course that could be predicted, in the cohort's order: `course_id, landmark, outcome,
        probability, p_low, p_high, in_scope, notes, base_logit, shap_<concept>..., trained_on,
        model_name, model_version`.
    refused : pandas.DataFrame
        Courses that could not, in the form of a cohort's rejects.
    largest_residual : float
        Largest difference found between contributions and independently computed log-odds.
    """

    table: pd.DataFrame
    refused: pd.DataFrame
    largest_residual: float


class ResponseModel:
    """A response model: one committee per landmark, with its provenance.

    Parameters
    ----------
    bundle : Bundle
    version : str or None
        Version in the registry; otherwise the first 12 digits of the bundle's SHA-256.
    """

    def __init__(self, bundle: Bundle, version: str | None = None) -> None:
        self.bundle = bundle
        self.sha256 = bundle_sha256(bundle)
        self.version = version or self.sha256[:12]

    @classmethod
    def load(cls, folder: str | Path, version: str | None = None) -> Self:
        """Load a saved model from a folder, or the package's `evidence/<protocol>`; runs no code. Raises ModelError."""
        return cls(load_bundle(bundle_folder(folder)), version)

    @staticmethod
    def is_saved_in(folder: str | Path) -> bool:
        """Whether a folder holds a saved model."""
        return (bundle_folder(folder) / MODEL_FILE).is_file()

    def save(self, folder: str | Path) -> None:
        """Save to a folder that is absent, empty or holds a model. Raises FileError."""
        save_bundle(self.bundle, Path(folder))

    @property
    def landmarks(self) -> tuple[str, ...]:
        """Landmarks that the model can predict at, in the order of time."""
        return tuple(model.landmark for model in self.bundle.landmarks)

    def predict(self, cohort: Cohort, landmark: str | None = None) -> pd.DataFrame:
        """Predict each course at its latest landmark, or at one landmark for all.

        Parameters
        ----------
        cohort : Cohort
            Read with the model's protocol and extra covariates.
        landmark : str or None

        Returns
        -------
        pandas.DataFrame
            `course_id, landmark, outcome, probability, ...` as in `Scored.table` without contributions;
            probability is NaN, with the reason in `notes`, for courses that cannot be predicted.

        Raises
        ------
        ModelError, ProtocolError
            If the cohort does not fit the model, or the model has no such landmark.
        """
        scored, refused, _ = self.score_columns(cohort, landmark)
        table = scored.to_frame([name for name in scored.names if not name.startswith(SHAP)])
        if len(table) == len(cohort):
            return table
        rows = table.set_index(scored.rows).reindex(range(len(cohort)))
        rows["course_id"] = cohort.table["course_id"]
        left = refused.drop_duplicates("course_id").set_index("course_id")["expected"]
        absent = rows["probability"].isna()
        rows.loc[absent, "notes"] = "not predicted: expected " + rows.loc[absent, "course_id"].map(left)
        for name, value in self._constants.items():
            rows[name] = value
        return rows

    def score(self, cohort: Cohort, landmark: str | None = None) -> Scored:
        """Predict and explain every course that can be predicted; the parameters are those of `predict`."""
        scored, refused, residual = self.score_columns(cohort, landmark)
        return Scored(scored.to_frame(), refused, residual)

    def score_columns(self, cohort: Cohort, landmark: str | None = None) -> tuple[ScoredColumns, pd.DataFrame, float]:
        """Do what `score` does, with columns instead of a data frame: for large batches."""
        self.refuse_other_cohort(cohort)
        position, refused = self._landmark_positions(cohort, landmark)
        rows = np.flatnonzero(position >= 0)
        position = position[rows]
        output = _Output(len(rows), self.concepts)
        residual = 0.0
        for index, ready in enumerate(self._ready):
            places = np.flatnonzero(position == index)
            if not len(places):
                continue
            everything = len(places) == len(cohort)
            courses = cohort.courses if everything else cohort.courses.some(rows[places])
            columns = feature_columns(courses, ready.features, self.bundle.outcome)
            own = {f.name: columns[f.name] for f in ready.model.features}
            found = estimates(ready.model, own, rows_of_batch=len(rows))
            in_scope, notes = ready.scope_and_notes(courses, columns, found)
            output.put(places, found, in_scope, notes)
            residual = max(residual, found.largest_residual)
        ids = cohort.courses.cells("course_id")
        texts = {"landmark": Phrases(position, self.landmarks), "notes": output.notes}
        nothing = np.zeros(len(rows), dtype=np.intp)
        texts |= {name: Phrases(nothing, (value,)) for name, value in self._constants.items()}
        texts["trained_on"] = Phrases(position, tuple(self.bundle.origin(model) for model in self.bundle.landmarks))
        scored = ScoredColumns(
            rows, ids if len(rows) == len(cohort) else ids[rows], texts, output.numbers, output.in_scope
        )
        return scored, refused, residual

    def explain(self, cohort: Cohort, course_id: str, landmark: str | None = None) -> PatientExplanation:
        """Explain one course.

        Raises
        ------
        CohortError
            If the cohort has no such course, or it cannot be predicted.
        """
        self.refuse_other_cohort(cohort)
        ids = cohort.courses.cells("course_id")
        # pandas' own comparison takes a tenth of what one course takes in all.
        keep = np.array([ids[0] == course_id]) if len(cohort) == 1 else np.asarray(ids == course_id, dtype=bool)
        if not keep.any():
            raise CohortError(
                "Expected a course id of an accepted course; found none of that id. "
                "`ketapredict check` lists rejected courses."
            )
        course = cohort if len(cohort) == 1 else cohort.subset(keep)
        position, refused = self._landmark_positions(course, landmark)
        if position[0] < 0:
            raise CohortError(f"This course cannot be predicted: expected {refused['expected'].iloc[0]}.")
        ready = self._ready[position[0]]
        columns = feature_columns(course.courses, ready.features, self.bundle.outcome)
        found = contributions(ready.model, {f.name: columns[f.name].values for f in ready.model.features})
        in_scope, notes = ready.scope_and_notes(course.courses, columns, found)
        inside = None if in_scope is None else bool(in_scope[0])
        return explain_course(self.bundle, self.version, ready.model, course, found, notes.to_list()[0], inside)

    def refuse_other_cohort(self, cohort: Cohort) -> None:
        """Raise ModelError if a cohort was read under another protocol, or lacks the model's extra covariates."""
        ours, theirs = self.bundle.protocol, cohort.protocol
        if (ours.time_points, ours.outcome) != (theirs.time_points, theirs.outcome):
            raise ModelError(
                f"Expected a cohort read under the model's protocol {ours.name} (outcome at {ours.outcome}); found "
                f"{theirs.name} (outcome at {theirs.outcome}). Read the cohort with the model's protocol."
            )
        absent = [column.name for column in self.bundle.extras if column.name not in cohort.courses]
        if absent:
            raise ModelError(
                f"Expected the extra covariates {', '.join(absent)} that the model was trained with. Declare them "
                "in the mapping, or read the cohort with extras=model.bundle.extras."
            )

    def _landmark_positions(self, cohort: Cohort, landmark: str | None) -> tuple[np.ndarray, pd.DataFrame]:
        names = self.landmarks
        if landmark is not None:
            if landmark not in names:
                raise ModelError(f"Expected a landmark of the model: {', '.join(names)}; found {landmark}.")
            position = np.where(latest_landmarks(cohort, [landmark]) == 0, names.index(landmark), -1)
            expected = "a score at the landmark asked for"
        else:
            position = latest_landmarks(cohort, names)
            expected = f"a score at one of the model's landmarks ({', '.join(names)})"
        wanted = f"score_{landmark}" if landmark not in (None, PRE) else ""
        refusals = [(position < 0, wanted, "landmark", expected)]
        known = np.array([name in self.bundle.scales for name in cohort.courses.levels("scale")] + [False])
        other_scale = ~known[cohort.courses.codes("scale")]
        refusals.append((other_scale, "scale", "scale of the model", f"one of {', '.join(self.bundle.scales)}"))
        no_threshold = np.isnan(outcome_thresholds(cohort.courses, self.bundle.outcome))
        refusals.append(
            (no_threshold, "score_baseline", "remission", "a baseline above the remission cut of the scale")
        )
        records = []
        for broken, column, rule, text in refusals:
            rows = np.flatnonzero(broken if rule == "landmark" else broken & (position >= 0))
            if len(rows):
                ids = cohort.courses.cells("course_id")[rows].to_numpy(object)
                cells = (cohort.rows[rows], ids, column, rule, text)
                records.append(pd.DataFrame(dict(zip(REJECT_COLUMNS, cells, strict=True))))
                position = np.where(broken, -1, position)
        if not records:
            return position, _NO_REJECTS.copy(deep=False)
        refused = pd.concat(records, ignore_index=True).sort_values("row", kind="stable")
        return position, refused.reset_index(drop=True)

    @cached_property
    def _constants(self) -> dict[str, str]:
        return {
            "outcome": self.bundle.outcome,
            "trained_on": self.bundle.trained_on,
            "model_name": self.bundle.name,
            "model_version": self.version,
        }

    @cached_property
    def concepts(self) -> tuple[str, ...]:
        """Concepts that contribute at any landmark."""
        return tuple(dict.fromkeys(f.concept for model in self.bundle.landmarks for f in model.features))

    @cached_property
    def columns_read(self) -> tuple[str, ...]:
        """Columns of the cohort table that features of any landmark depend on."""
        features = [feature for ready in self._ready for feature in ready.features]
        return tuple(dict.fromkeys(name for feature in features for name in columns_read(feature)))

    @cached_property
    def _ready(self) -> tuple["_ReadyLandmark", ...]:
        return tuple(_ready_landmark(self.bundle, model) for model in self.bundle.landmarks)


@dataclass(frozen=True, slots=True)
class _ReadyLandmark:
    """A landmark's model with what is derived from it once: features to compute, rules of scope, columns it reads."""

    model: LandmarkModel
    features: tuple[Feature, ...]
    rules: ScopeRules | None
    columns_read: tuple[str, ...]

    def scope_and_notes(
        self, courses: CourseColumns, columns: dict[str, FeatureColumn], found: Estimates
    ) -> tuple[np.ndarray | None, Phrases]:
        """Say whether each course is within the model's experience, and what a reader must know about it."""
        missing = joined_phrases(
            [courses.missing(name) for name in self.columns_read], self.columns_read, ", ", len(courses)
        )
        imputed = Phrases(missing.codes, tuple(f"missing: {names}" if names else "" for names in missing.texts))
        if self.rules is None:
            return None, imputed
        judged = self.rules.judge(courses, columns, found.deviations)
        return judged.in_scope, both_phrases(judged.notes, imputed, "; ")


def _ready_landmark(bundle: Bundle, model: LandmarkModel) -> _ReadyLandmark:
    rules = None
    features = model.features
    if model.scope is not None:
        usable = features_at(model.landmark, bundle.protocol, bundle.extras, with_arm=bundle.with_arm)
        columns = declared_columns(bundle.protocol, bundle.extras)
        rules = scope_rules(model.scope, usable, columns, with_arm=bundle.with_arm)
        features = tuple({f.name: f for f in (*features, *rules.features)}.values())
    return _ReadyLandmark(model, features, rules, model.input_columns)


class _Output:
    """Columns of n courses that are filled landmark by landmark."""

    def __init__(self, rows: int, concepts: tuple[str, ...]) -> None:
        self.rows = rows
        names = ["probability", "p_low", "p_high", "base_logit", *(SHAP + concept for concept in concepts)]
        # In the order of the output; what no landmark has put there is missing.
        self._put: dict[str, np.ndarray | None] = dict.fromkeys(names)
        self.in_scope = np.full(rows, -1, dtype=np.int8)
        self.parts: list[tuple[np.ndarray, Phrases]] = []

    def put(self, places: np.ndarray, found: Estimates, in_scope: np.ndarray | None, notes: Phrases) -> None:
        """Put the courses of a landmark where they belong."""
        given: dict[str, Any] = {
            "probability": found.probability,
            "p_low": found.p_low,
            "p_high": found.p_high,
            "base_logit": found.base_logit,
        }
        given |= {SHAP + concept: found.by_concept[:, i] for i, concept in enumerate(found.concepts)}
        for name, values in given.items():
            if len(places) == self.rows:
                self._put[name] = values if isinstance(values, np.ndarray) else np.full(self.rows, values)
                continue
            if (column := self._put[name]) is None:
                column = self._put[name] = np.full(self.rows, np.nan)
            column[places] = values
        if in_scope is not None:
            self.in_scope[places] = in_scope
        self.parts.append((places, notes))

    @property
    def numbers(self) -> dict[str, np.ndarray]:
        """All columns of numbers."""
        return {name: np.full(self.rows, np.nan) if found is None else found for name, found in self._put.items()}

    @property
    def notes(self) -> Phrases:
        """The notes of all landmarks, a text that two of them have only once."""
        if len(self.parts) == 1:
            return self.parts[0][1]
        texts: dict[str, int] = {}
        codes = np.zeros(self.rows, dtype=np.intp)
        for places, notes in self.parts:
            by_code = np.array([texts.setdefault(text, len(texts)) for text in notes.texts], dtype=np.intp)
            codes[places] = by_code[notes.codes]
        return Phrases(codes, tuple(texts))
