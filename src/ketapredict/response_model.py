"""The response model as its users hold it: fit, load, save, predict, explain."""

import platform
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from ketapredict.cohort.cohort import REJECT_COLUMNS, Cohort
from ketapredict.cohort.outcomes import Outcome, outcome_thresholds
from ketapredict.cohort.protocols import PRE, protocol_to_plain
from ketapredict.errors import CohortError, ModelError, TrainingError
from ketapredict.explain.contributions import Contributions, contributions
from ketapredict.explain.patient import PatientExplanation, explain_course
from ketapredict.features.design import design_frame, features_at
from ketapredict.features.landmarks import latest_landmarks
from ketapredict.model.bundle import Bundle, bundle_sha256, load_bundle, save_bundle
from ketapredict.model.fit import fit_landmark, refuse_too_few, training_data
from ketapredict.model.landmark_model import LandmarkModel
from ketapredict.model.scope import fit_scope, judge_scope, texts_by_row
from ketapredict.model.training_profile import profiled_columns, training_profile
from ketapredict.model.uncertainty import out_of_sample_deviations

# Of the courses that are judged by a scope that they had no part in, for the profile of training.
PROFILE_FOLDS = 5
# What the numbers of a fit depend on, next to the data and the seed.
VERSIONED = ("ketapredict", "numpy", "scipy", "scikit-learn", "xgboost-cpu")


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
        """Load a saved model from a folder; runs no code of the folder's. Raises ModelError."""
        return cls(load_bundle(Path(folder)), version)

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
        scored = self.score(cohort, landmark)
        table = scored.table.loc[:, ~scored.table.columns.str.startswith("shap_")]
        left = scored.refused.drop_duplicates("course_id").set_index("course_id")["expected"]
        rows = table.set_index("course_id").reindex(cohort.table["course_id"]).reset_index()
        refused = rows["probability"].isna()
        rows.loc[refused, "notes"] = "not predicted: expected " + rows.loc[refused, "course_id"].map(left)
        for name in ("outcome", "trained_on", "model_name", "model_version"):
            rows[name] = self._constants()[name]
        return rows

    def score(self, cohort: Cohort, landmark: str | None = None) -> Scored:
        """Predict and explain every course that can be predicted; the parameters are those of `predict`."""
        self.refuse_other_cohort(cohort)
        position, refused = self._landmark_positions(cohort, landmark)
        parts: list[pd.DataFrame] = []
        residual = 0.0
        for index, model in enumerate(self.bundle.landmarks):
            rows = np.flatnonzero(position == index)
            if not len(rows):
                continue
            courses = cohort.subset(position == index)
            frame = design_frame(courses, model.features, self.bundle.outcome)
            found = contributions(model, frame)
            residual = max(residual, found.largest_residual)
            parts.append(self._rows(courses, model, frame, found, rows))
        concepts = dict.fromkeys(f.concept for model in self.bundle.landmarks for f in model.features)
        table = _contract_table(parts, [f"shap_{concept}" for concept in concepts])
        return Scored(table, refused, residual)

    def explain(self, cohort: Cohort, course_id: str, landmark: str | None = None) -> PatientExplanation:
        """Explain one course.

        Raises
        ------
        CohortError
            If the cohort has no such course, or it cannot be predicted.
        """
        self.refuse_other_cohort(cohort)
        keep = (cohort.table["course_id"] == course_id).to_numpy()
        if not keep.any():
            raise CohortError(
                "Expected a course id of an accepted course; found none of that id. "
                "`ketapredict check` lists rejected courses."
            )
        course = cohort.subset(keep)
        position, refused = self._landmark_positions(course, landmark)
        if position[0] < 0:
            raise CohortError(f"This course cannot be predicted: expected {refused['expected'].iloc[0]}.")
        model = self.bundle.landmarks[position[0]]
        frame = design_frame(course, model.features, self.bundle.outcome)
        found = contributions(model, frame)
        in_scope, notes = _scope_and_notes(course, self.bundle, model, frame, found)
        inside = None if in_scope is None else bool(in_scope[0])
        return explain_course(self.bundle, self.version, model, course, found, notes[0], inside)

    def refuse_other_cohort(self, cohort: Cohort) -> None:
        """Raise ModelError if a cohort was read under another protocol, or lacks the model's extra covariates."""
        ours, theirs = self.bundle.protocol, cohort.protocol
        if (ours.time_points, ours.outcome) != (theirs.time_points, theirs.outcome):
            raise ModelError(
                f"Expected a cohort read under the model's protocol {ours.name} (outcome at {ours.outcome}); found "
                f"{theirs.name} (outcome at {theirs.outcome}). Read the cohort with the model's protocol."
            )
        absent = [column.name for column in self.bundle.extras if column.name not in cohort.table]
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
        other_scale = ~cohort.table["scale"].isin(self.bundle.scales).to_numpy()
        refusals.append((other_scale, "scale", "scale of the model", f"one of {', '.join(self.bundle.scales)}"))
        no_threshold = np.isnan(outcome_thresholds(cohort, self.bundle.outcome))
        refusals.append(
            (no_threshold, "score_baseline", "remission", "a baseline above the remission cut of the scale")
        )
        records = []
        for broken, column, rule, text in refusals:
            for row in np.flatnonzero(broken & (position >= 0) if rule != "landmark" else broken):
                course_id = cohort.table["course_id"].iat[row]
                records.append((int(cohort.rows[row]), course_id, column, rule, text))
            position = np.where(broken, -1, position)
        refused = pd.DataFrame(records, columns=list(REJECT_COLUMNS)).sort_values("row", kind="stable")
        return position, refused.reset_index(drop=True)

    def _rows(
        self, cohort: Cohort, model: LandmarkModel, frame: pd.DataFrame, found: Contributions, rows: np.ndarray
    ) -> pd.DataFrame:
        constants = self._constants()
        in_scope, notes = _scope_and_notes(cohort, self.bundle, model, frame, found)
        columns: dict[str, Any] = {
            "row_order": rows,
            "course_id": cohort.table["course_id"].to_numpy(),
            "landmark": model.landmark,
            "outcome": constants["outcome"],
            "probability": found.probability,
            "p_low": found.p_low,
            "p_high": found.p_high,
            "in_scope": in_scope,
            "notes": notes,
            "base_logit": found.base_logit,
        }
        for position, concept in enumerate(found.concepts):
            columns[f"shap_{concept}"] = found.by_concept[:, position]
        for name in ("trained_on", "model_name", "model_version"):
            columns[name] = constants[name]
        return pd.DataFrame(columns)

    def _constants(self) -> dict[str, str]:
        return {
            "outcome": self.bundle.outcome,
            "trained_on": self.bundle.trained_on,
            "model_name": self.bundle.name,
            "model_version": self.version,
        }


def fit_response_model(
    cohort: Cohort,
    *,
    outcome: Outcome = "response",
    seed: int = 0,
    all_arms: bool = False,
    weighted: bool = False,
) -> tuple[ResponseModel, dict[str, str]]:
    """Fit a response model without validating it; `train` is what validates.

    Parameters
    ----------
    cohort : Cohort
    outcome : {"response", "remission"}
    seed : int
        Not negative; the same cohort and seed give the same bytes.
    all_arms : bool
        Whether control courses are trained on as well; the arm then is a feature.
    weighted : bool
        Whether courses count by the inverse of their probability of having an outcome.

    Returns
    -------
    model : ResponseModel
    refused : dict of str to str
        The reason for each landmark that could not be fitted.

    Raises
    ------
    TrainingError
        If no landmark can be fitted.
    """
    courses = cohort if all_arms else cohort.subset(cohort.active)
    models, refused = [], {}
    for position, landmark in enumerate(cohort.protocol.landmarks):
        data = training_data(courses, landmark, outcome, with_arm=all_arms, weighted=weighted)
        try:
            refuse_too_few(data, landmark, outcome)
        except TrainingError as error:
            refused[landmark] = str(error)
            continue
        rng = np.random.default_rng([seed, position])
        models.append(fit_landmark(data, landmark, outcome, rng))
    if not models:
        raise TrainingError("No landmark can be fitted. " + " ".join(refused.values()))
    bundle = Bundle(
        name=f"{cohort.protocol.name}-{outcome}",
        outcome=outcome,
        protocol=cohort.protocol,
        scales=tuple(sorted(courses.table["scale"].astype(str).unique())),
        extras=cohort.extras,
        with_arm=all_arms,
        trained_on="simulated" if cohort.simulated else "real",
        provenance=provenance_of(cohort, courses, seed) | {"weights": "completion" if weighted else "none"},
        landmarks=tuple(models),
    )
    return ResponseModel(with_profiles(bundle, courses)), refused


def with_profiles(bundle: Bundle, courses: Cohort) -> Bundle:
    """Add what later cohorts are compared with: counts of the courses that reached each landmark.

    Parameters
    ----------
    bundle : Bundle
    courses : Cohort
        Of the arms that the model was trained on, their outcomes known or not.
    """
    scored = ResponseModel(bundle)
    models: list[LandmarkModel] = []
    for model in bundle.landmarks:
        table = scored.score(courses, model.landmark).table
        met = courses.subset(courses.table["course_id"].isin(table["course_id"]).to_numpy())
        earlier = [before.landmark for before in models]
        columns = profiled_columns(model.landmark, earlier, bundle.protocol, bundle.extras)
        outside = _outside_when_left_out(bundle, model, met)
        profile = training_profile(met, columns, table["probability"].to_numpy(float), outside)
        models.append(replace(model, profile=profile))
    return replace(bundle, landmarks=tuple(models))


def _outside_when_left_out(bundle: Bundle, model: LandmarkModel, met: Cohort) -> int:
    """Return how many courses are out of the scope that the others draw: within their own there are too few."""
    if model.uncertainty is None:
        return 0
    features = features_at(model.landmark, bundle.protocol, bundle.extras, with_arm=bundle.with_arm)
    every = tuple({feature.name: feature for feature in (*features, *model.features)}.values())
    frame = design_frame(met, every, bundle.outcome)
    deviations = out_of_sample_deviations(model.uncertainty, model.centred_design(frame))
    # Scope is a matter of the inputs and of the linear part: the trees are not needed.
    linear = replace(model, tree_features=(), tree_weight=0.0, booster=b"")
    fold = met.patients % PROFILE_FOLDS
    outside = 0
    for left_out in range(PROFILE_FOLDS):
        rest = fold != left_out
        if rest.all() or not rest.any():
            continue
        scope = fit_scope(frame[rest], features, deviations[rest])
        drawn = ResponseModel(replace(bundle, landmarks=(replace(linear, scope=scope),)))
        inside = drawn.score(met.subset(~rest), model.landmark).table["in_scope"].to_numpy(bool, na_value=True)
        outside += int((~inside).sum())
    return outside


def provenance_of(cohort: Cohort, courses: Cohort, seed: int) -> dict[str, Any]:
    """Return where a model comes from, as JSON values: seed, hashes and counts of its courses, notices, versions."""
    return {
        "seed": seed,
        "data_sha256": cohort.sha256,
        "source_sha256": [source.sha256 for source in cohort.sources],
        "courses": {
            "accepted": len(cohort),
            "of the arms trained on": len(courses),
            "rejected": cohort.counts.rejected,
        },
        "notices": list(cohort.notices),
        "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in VERSIONED},
        "protocol": protocol_to_plain(cohort.protocol)["name"],
    }


def _scope_and_notes(
    cohort: Cohort, bundle: Bundle, model: LandmarkModel, frame: pd.DataFrame, found: Contributions
) -> tuple[np.ndarray | None, list[str]]:
    """Say whether each course is within the model's experience, and what a reader must know about it."""
    columns = _columns_read(model)
    missing = texts_by_row(cohort.table[columns].isna().to_numpy(), columns, ", ")
    imputed = [f"missing: {names}" if names else "" for names in missing]
    if model.scope is None:
        return None, imputed
    judged = judge_scope(
        model.scope,
        cohort,
        frame,
        features_at(model.landmark, bundle.protocol, bundle.extras, with_arm=bundle.with_arm),
        bundle.outcome,
        found.deviations,
        with_arm=bundle.with_arm,
    )
    notes = [f"{a}; {b}" if a and b else a or b for a, b in zip(judged.notes, imputed, strict=True)]
    return judged.in_scope, notes


def _columns_read(model: LandmarkModel) -> list[str]:
    names = {column.feature for column in model.columns} | set(model.tree_features)
    read: dict[str, None] = {}
    for feature in model.features:
        if feature.name in names and feature.concept != "treatment_arm":
            read.update(dict.fromkeys(feature.columns))
    return list(read)


def _contract_table(parts: list[pd.DataFrame], shap_columns: list[str]) -> pd.DataFrame:
    order = [
        "course_id", "landmark", "outcome", "probability", "p_low", "p_high", "in_scope", "notes", "base_logit",
        *shap_columns,
        "trained_on", "model_name", "model_version",
    ]  # fmt: skip
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in order})
    table = pd.concat([part.reindex(columns=["row_order", *order]) for part in parts])
    table = table.sort_values("row_order", kind="stable")[order].reset_index(drop=True)
    table["in_scope"] = table["in_scope"].astype("boolean")
    return table
