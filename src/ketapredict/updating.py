"""The whole of `update`: from a model and the courses of a new site to a validated, tracked, registered model."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import Outcome
from ketapredict.cohort.summary import count_lines
from ketapredict.errors import CohortError, FileError, TrainingError
from ketapredict.fitting import provenance_of
from ketapredict.model.bundle import MODEL_FILE, Bundle, TrainedOn, data_hashes
from ketapredict.model.fit import training_data
from ketapredict.model.landmark_model import LandmarkModel
from ketapredict.model.members import TrainingData
from ketapredict.model.scope import Scope, fit_scope, scope_of_either
from ketapredict.model.uncertainty import out_of_sample_deviations, updated_uncertainty
from ketapredict.model.update_choice import (
    FEWEST_FOR_INTERCEPT,
    Choice,
    allowed_methods,
    choose_update,
    patients_of_either_class,
)
from ketapredict.model.updating import LEAVE_IT, Site, site_of, updated_model
from ketapredict.progress import Stopwatch, progress_bar
from ketapredict.release import Parameters, release, with_verdicts
from ketapredict.report.card.facts import CardFacts
from ketapredict.report.folder import CARD
from ketapredict.response_model import ResponseModel
from ketapredict.tracking.courses_met import courses_met
from ketapredict.tracking.runs import LoggedRun
from ketapredict.tracking.store import open_store
from ketapredict.validate.cross_validation import N_FOLDS
from ketapredict.validate.evaluation import refuse_other_outcome
from ketapredict.validate.study import Effort
from ketapredict.validate.updating import (
    UpdateValidation,
    choice_words,
    cross_validate_update,
    update_facts,
    update_study,
    updating_as_text,
    updating_table,
)
from ketapredict.whole_files import make_folder

REPEATS = 10
_ALL_MET = (
    "Expected courses that the model has not met; found a cohort that it was trained or updated with. On those it "
    "looks better than it is. Use courses of the new site."
)
# From the least to be trusted: an updated model is what the worse of its two sources is.
_WORST_FIRST: tuple[TrainedOn, ...] = ("simulated", "evidence", "real")


@dataclass(frozen=True, slots=True)
class UpdatedLandmark:
    """What was chosen for one landmark, and with which courses."""

    landmark: str
    site: Site
    choice: Choice


@dataclass(frozen=True, slots=True)
class UpdatingResult:
    """What an updating run made.

    Attributes
    ----------
    model : ResponseModel
    validations : tuple of UpdateValidation
        Of each landmark that had enough courses.
    left : dict of str to str
        The reason for each landmark that had not; it is as it was.
    statements : tuple of str
        What was chosen for each landmark and why, and whose courses the model has met.
    folder : Path
        Holds `model/` (the bundle), `report/` (tables and pictures) and, if rows were rejected, `rejects.csv`.
    run : LoggedRun
    cohort : Cohort
        As it was read.
    """

    model: ResponseModel
    validations: tuple[UpdateValidation, ...]
    left: dict[str, str]
    statements: tuple[str, ...]
    folder: Path
    run: LoggedRun
    cohort: Cohort

    def to_plain(self) -> dict[str, Any]:
        """Return JSON values for a script."""
        return {
            "statement": self.model.bundle.statement,
            "model": str(self.folder / "model"),
            "model_sha256": self.model.sha256,
            "updated_from": self.model.bundle.provenance["updated_from"]["model_sha256"],
            "model_uri": self.run.model_uri,
            "run_id": self.run.run_id,
            "left": self.left,
            "statements": list(self.statements),
            "updating": json.loads(updating_table(self.validations).to_json(orient="records")),
        }

    def to_text(self) -> str:
        """Return what was found and where everything is, for a reader."""
        first = self.validations[0].validation
        lines = [
            self.model.bundle.statement,
            *count_lines(self.cohort),
            f"\nOut of fold ({first.n_repeats} x {first.n_folds}-fold), 95% intervals over patients:",
            updating_as_text(updating_table(self.validations)),
            "",
            *self.statements,
            *(f"Note: {notice}." for notice in self.cohort.notices),
            f"\nmodel     {self.folder / 'model'}",
            f"card      {self.folder / 'report' / CARD}.html (open it in a browser; tables and pictures beside it)",
        ]
        if self.cohort.counts.rejected:
            lines.append(f"rejects   {self.folder / 'rejects.csv'} ({self.cohort.counts.rejected} courses)")
        return "\n".join([*lines, f"registry  {self.run.model_uri} in {self.run.tracking_uri}"])


def update(
    model: ResponseModel,
    cohort: Cohort,
    *,
    seed: int = 0,
    repeats: int = REPEATS,
    output: str | Path | None = None,
    show_progress: bool = False,
) -> UpdatingResult:
    """Update a model for a new site, cross-validate the updating, write, log and register the result.

    Parameters
    ----------
    model : ResponseModel
        The parent; it stays as it is.
    cohort : Cohort
        Courses of the new site, none of which the parent was trained on.
    seed : int
        Not negative. The same parent, cohort, seed and repeats give the same bundle, byte for byte.
    repeats : int
        Repeats of the 5-fold cross-validation of the whole updating, at least 1.
    output : path or None
        Folder for the results; by default `<name of the model>-updated`, in the current folder.
    show_progress : bool

    Returns
    -------
    UpdatingResult

    Raises
    ------
    ProtocolError, ModelError, CohortError
        If the cohort does not fit the model: another outcome, protocol, scale or arm, or courses that the model has
        met before.
    TrainingError
        If no landmark has enough courses.
    FileError
        If the folder cannot be written, or holds the parent.
    """
    # An unusable store is better found before the work than after it.
    with open_store() as store:
        cohort, untold = _without_courses_met(model, cohort, store.folder)
    folder = Path(output) if output is not None else Path(f"{model.bundle.name}-updated")
    _refuse_to_replace(model, folder)
    new, found, left = update_response_model(model, cohort, seed=seed)
    make_folder(folder)
    courses = _usable_courses(model, cohort)
    validations, studies, watch = [], [], Stopwatch()
    with progress_bar("cross-validation", len(found) * N_FOLDS * repeats, shown=show_progress) as progress:
        for one in found:
            rng = np.random.default_rng([seed, model.landmarks.index(one.landmark), 1])
            outcome, with_arm = new.bundle.outcome, new.bundle.with_arm
            data = training_data(courses, one.landmark, outcome, with_arm=with_arm)
            found_here = cross_validate_update(one.site, data, one.landmark, one.choice, repeats, rng, progress)
            validations.append(found_here)
            studies.append(update_study(courses, data, validations[-1], outcome, rng, with_arm))
    statements = (
        *(choice_words(one) for one in validations),
        *left.values(),
        new.bundle.provenance["notices"][0],
        *untold,
    )
    updates = {one.validation.landmark: update_facts(one) for one in validations}
    new = with_verdicts(new, studies)
    facts = CardFacts(new, courses, tuple(studies), Effort(repeats, 0, 0), left, updates)
    parameters: Parameters = {
        "updated_from": model.sha256,
        "parent_version": model.version,
        "protocol": new.bundle.protocol.name,
        "outcome": new.bundle.outcome,
        "seed": seed,
        "repeats": repeats,
        "landmarks": ", ".join(new.landmarks),
    }
    parameters |= {f"update_{one.landmark}": one.choice.update.method for one in found}
    run = release(facts, cohort, folder, parameters, {"updated_from": model.sha256}, watch.timed)
    return UpdatingResult(new, tuple(validations), left, statements, folder, run, cohort)


def update_response_model(
    model: ResponseModel, cohort: Cohort, *, seed: int = 0
) -> tuple[ResponseModel, tuple[UpdatedLandmark, ...], dict[str, str]]:
    """Update a model without validating the updating; `update` is what validates.

    The courses are those that `validate.evaluation.evaluate` would use: of the active arm unless the model was
    trained on all, on a scale of the model, with the landmark's score and a known outcome.

    Parameters
    ----------
    model : ResponseModel
    cohort : Cohort
    seed : int

    Returns
    -------
    model : ResponseModel
    found : tuple of UpdatedLandmark
    left : dict of str to str
        The reason for each landmark that had too few courses.

    Raises
    ------
    ProtocolError, ModelError, CohortError, TrainingError
        As for `update`.
    """
    from threadpoolctl import threadpool_limits

    bundle = model.bundle
    courses = _usable_courses(model, cohort)
    landmarks, found, left = [], [], {}
    for position, parent in enumerate(bundle.landmarks):
        data = training_data(courses, parent.landmark, bundle.outcome, with_arm=bundle.with_arm)
        allowed = allowed_methods(data.labels, data.patients)
        if allowed == (LEAVE_IT,):
            left[parent.landmark] = _too_few(data, parent.landmark, bundle.outcome)
            landmarks.append(parent)
            continue
        # One thread: sums then come in one order, and the same data give the same bytes.
        with threadpool_limits(1):
            site = site_of(parent, data.frame, data.labels, data.patients)
            choice = choose_update(site, allowed, np.random.default_rng([seed, position]))
            landmarks.append(_with_both_cohorts(parent, updated_model(parent, site, choice.update), site, data))
        found.append(UpdatedLandmark(parent.landmark, site, choice))
    if not found:
        raise TrainingError("No landmark can be updated. " + " ".join(left.values()))
    kind: TrainedOn = "simulated" if cohort.simulated else "real"
    updated = replace(
        bundle,
        trained_on=min(bundle.trained_on, kind, key=_WORST_FIRST.index),
        provenance=_provenance(model, cohort, courses, kind, seed),
        landmarks=tuple(landmarks),
    )
    return ResponseModel(updated), tuple(found), left


def met_before(bundle: Bundle) -> tuple[str, ...]:
    """Return the data hashes of all cohorts that a model and the models it was updated from were made with."""
    return tuple(data_hashes(bundle.provenance))


def _without_courses_met(model: ResponseModel, cohort: Cohort, store_folder: Path) -> tuple[Cohort, tuple[str, ...]]:
    """Leave out the courses that the parent has met, with a notice; return what else must be said."""
    met = courses_met(store_folder, cohort, met_before(model.bundle))
    if met is None:
        # No notice: it would be part of the model, which must not depend on the store.
        return cohort, (
            "Whether the parent has met single courses of this cohort cannot be told: the digests of its courses are "
            "not beside this store.",
        )
    if met.all():
        raise CohortError(_ALL_MET)
    if not met.any():
        return cohort, ()
    left = cohort.subset(~met)
    notice = f"{int(met.sum())} of {len(cohort)} courses are left out: the parent was trained or updated with them"
    return replace(left, notices=(*left.notices, notice)), ()


def _usable_courses(model: ResponseModel, cohort: Cohort) -> Cohort:
    bundle = model.bundle
    refuse_other_outcome(model, cohort.protocol)
    model.refuse_other_cohort(cohort)
    if cohort.sha256 in met_before(bundle):
        raise CohortError(_ALL_MET)
    courses = cohort if bundle.with_arm else cohort.subset(cohort.active)
    if not len(courses):
        raise CohortError(
            "Expected courses of the active treatment; found control courses only. The model knows active treatment "
            "only: update it with courses of that arm, or train one on all arms (`train --arms all`)."
        )
    on_scale = courses.table["scale"].isin(bundle.scales).to_numpy()
    if not on_scale.any():
        raise CohortError(
            f"Expected courses rated on {' or '.join(bundle.scales)}, the model's scale; found none. Train a model of "
            "their own scale."
        )
    return replace(courses.subset(on_scale), protocol=bundle.protocol, extras=bundle.extras)


def _too_few(data: TrainingData, landmark: str, outcome: Outcome) -> str:
    events, others = patients_of_either_class(data.labels, data.patients)
    return (
        f"{landmark}: left as it is, and not judged: expected at least {FEWEST_FOR_INTERCEPT} patients with {outcome} "
        f"and {FEWEST_FOR_INTERCEPT} without, among those with the landmark's score and the outcome; found {events} "
        f"and {others}."
    )


def _with_both_cohorts(parent: LandmarkModel, model: LandmarkModel, site: Site, data: TrainingData) -> LandmarkModel:
    """Add what the new courses say about how sure the estimates are and what the model has seen."""
    if parent.uncertainty is None:
        return model
    centred = site.columns * site.scales
    uncertainty = updated_uncertainty(parent.uncertainty, centred, site.labels)
    if parent.scope is None:
        return replace(model, uncertainty=uncertainty)
    deviations = out_of_sample_deviations(uncertainty, centred)
    # The parent's courses are not at hand: their farthest deviation is carried over as that of these courses was.
    change = float(np.median(deviations / parent.uncertainty.log_odds(centred)[1]))
    farthest = float(f"{parent.scope.largest_deviation * change:.2g}")
    theirs: Scope = replace(parent.scope, largest_deviation=farthest)
    return replace(
        model,
        uncertainty=uncertainty,
        scope=scope_of_either(theirs, fit_scope(data.frame, data.features, deviations)),
    )


def _provenance(model: ResponseModel, cohort: Cohort, courses: Cohort, kind: TrainedOn, seed: int) -> dict[str, Any]:
    """Return the provenance of the update, with the parent's whole inside it."""
    own = provenance_of(cohort, courses, seed)
    parent = model.bundle.provenance
    met = f"updated with {len(courses)} {kind} courses: estimates and intervals are for patients like those"
    own["notices"] = [met, *own["notices"], *(f"parent: {notice}" for notice in parent["notices"])]
    own["updated_from"] = {
        "model_sha256": model.sha256,
        "trained_on": model.bundle.trained_on,
        "provenance": parent,
    }
    return own


def _refuse_to_replace(model: ResponseModel, folder: Path) -> None:
    if (folder / "model" / MODEL_FILE).is_file() and ResponseModel.load(folder / "model").sha256 == model.sha256:
        raise FileError(
            f"Expected a folder for the updated model; {folder} holds the model that is to be updated. Choose another "
            "--output."
        )
