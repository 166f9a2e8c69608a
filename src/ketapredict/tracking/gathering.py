"""What the gate decides on, gathered from the runs of two versions and, where one is named, a hold-out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.protocols import Protocol
from ketapredict.errors import CohortError, ModelError
from ketapredict.model.bundle import data_hashes
from ketapredict.response_model import ResponseModel
from ketapredict.tracking.courses_met import courses_met
from ketapredict.tracking.evidence import (
    CHALLENGERS_COURSES,
    CROSS_VALIDATION,
    HOLD_OUT,
    Comparison,
    Evidence,
    Figures,
    Source,
    Subgroup,
)
from ketapredict.tracking.run_figures import RunFigures, comparison_of, comparisons, span_of, subgroups_of
from ketapredict.validate.challengers_courses import challengers_courses, compare_on_challengers_courses
from ketapredict.validate.hold_out import measure_hold_out, read_hold_out, refuse_training_data
from ketapredict.validate.replicates import INTERCEPT, SLOPE


@dataclass(frozen=True, slots=True)
class HoldOut:
    """Courses to compare on: table, mapping, and the protocol that they are said to follow.

    Courses that neither model was trained on; or those that the challenger was, where the champion was not.
    """

    path: Path
    mapping: Path | None = None
    protocol: Protocol | None = None


def gather(
    challenger: tuple[ResponseModel, RunFigures],
    champion: tuple[ResponseModel | None, RunFigures | None],
    hold_out: HoldOut | None,
    store_folder: Path,
) -> tuple[Evidence, tuple[str, ...], str]:
    """Gather what the gate decides on.

    Parameters
    ----------
    challenger, champion : tuple of ResponseModel and RunFigures
        None twice where there is no champion.
    hold_out : HoldOut or None
    store_folder : Path
        Where the digests of courses are kept (`courses_met`).

    Returns
    -------
    evidence : Evidence
    notes : tuple of str
        What a reader must know next to it.
    data_sha256 : str
        Of the hold-out; empty without one.

    Raises
    ------
    ModelError
        If the two share no resamples and no hold-out is given.
    CohortError, ProtocolError, FileError, MappingError
        If the hold-out cannot be used.
    """
    (model, own), (other, theirs) = challenger, champion
    origins: dict[str, str] = {"training data": model.bundle.trained_on}
    sources: list[Source] = [CROSS_VALIDATION]
    figures: list[Figures] = list(own.figures)
    subgroups: dict[Source, tuple[Subgroup, ...]] = {}
    if own.subgroups is not None:
        subgroups[CROSS_VALIDATION] = own.subgroups
    compared: list[Comparison] = []
    compared_on: list[Source] = []
    notes: tuple[str, ...] = ()
    data_sha256 = ""
    if other is not None and theirs is not None:
        both = [landmark for landmark in model.landmarks if landmark in other.landmarks]
        shared = comparisons(own, theirs, both)
        if shared is not None:
            compared_on.append(CROSS_VALIDATION)
            compared += shared
        elif hold_out is None:
            raise ModelError(_no_shared_resamples(model, other))
    if hold_out is not None:
        models = [model] if other is None else [model, other]
        cohorts = read_hold_out(hold_out.path, hold_out.mapping, models, hold_out.protocol)
        data_sha256 = cohorts[0].sha256
        notes = tuple(dict.fromkeys(notice for cohort in cohorts for notice in cohort.notices))
        if other is not None:
            refuse_training_data(other, cohorts[-1])
        courses = challengers_courses(model, cohorts[0], _met_by_parent(store_folder, model, cohorts[0]))
        if courses is not None and other is not None:
            notes += (_honest_on_own(store_folder, model, other, courses),)
            differences = compare_on_challengers_courses(model, own.resamples, other, courses, cohorts[-1])
            compared_on.append(CHALLENGERS_COURSES)
            compared += [comparison_of(CHALLENGERS_COURSES, at, found) for at, found in differences.items()]
        else:
            refuse_training_data(model, cohorts[0])
            origins["hold-out"] = "simulated" if any(cohort.simulated for cohort in cohorts) else "real"
            if {s.sha256 for s in cohorts[0].sources} & set(model.bundle.provenance.get("source_sha256", [])):
                notes += ("the hold-out was read from a file that was trained on",)
            cohorts, left_out = _never_met(store_folder, models, cohorts)
            notes += left_out
            sources.append(HOLD_OUT)
            subgroups[HOLD_OUT] = ()
            if other is not None:
                compared_on.append(HOLD_OUT)
            for one in measure_hold_out(cohorts, models):
                slope, intercept = span_of(one.measures[SLOPE]), span_of(one.measures[INTERCEPT])
                gain = span_of(one.log_loss_gain)
                figures.append(Figures(HOLD_OUT, one.landmark, one.courses, one.events, slope, intercept, gain))
                subgroups[HOLD_OUT] += subgroups_of(one.subgroups, HOLD_OUT, one.landmark)
                if one.differences is not None:
                    compared.append(comparison_of(HOLD_OUT, one.landmark, one.differences))
    evidence = Evidence(
        origins=origins,
        landmarks=model.landmarks,
        figures=tuple(figures),
        subgroups=subgroups,
        card=own.card,
        suspicions=own.suspicions,
        sources=tuple(sources),
        champion=other.version if other else None,
        champion_landmarks=other.landmarks if other else (),
        compared_on=tuple(compared_on),
        comparisons=tuple(compared),
    )
    return evidence, notes, data_sha256


def _met_by_parent(store_folder: Path, model: ResponseModel, cohort: Cohort) -> np.ndarray | None:
    parent = model.bundle.provenance.get("updated_from")
    return courses_met(store_folder, cohort, data_hashes(parent["provenance"])) if parent else None


def _honest_on_own(store_folder: Path, model: ResponseModel, champion: ResponseModel, courses: Cohort) -> str:
    """Say what is compared on what; refuse where it cannot be told what the champion has met."""
    met = courses_met(store_folder, courses, data_hashes(champion.bundle.provenance))
    if met is None:
        raise CohortError(
            "Expected courses that no model was trained on; these are the training courses of version "
            f"{model.version}, and it cannot be told which of them version {champion.version} has met: the digests of "
            "its courses are not beside this store. Name other courses with --on."
        )
    told = (
        f"compared on the {len(courses)} courses that version {model.version} was trained on: its predictions are out "
        f"of fold, those of version {champion.version} as it is"
    )
    if not met.any():
        return f"{told}, which has met none of them"
    return (
        f"{told}, which has met {int(met.sum())} of them and looks better on those than it is: a yes stands, a no may "
        "be owed to it"
    )


def _never_met(
    store_folder: Path, models: list[ResponseModel], cohorts: list[Cohort]
) -> tuple[list[Cohort], tuple[str, ...]]:
    """Leave out of a hold-out the courses that a model has met, as far as this can be told."""
    notes: tuple[str, ...] = ()
    known: set[str] = set()
    for model, cohort in zip(models, cohorts, strict=True):
        met = courses_met(store_folder, cohort, data_hashes(model.bundle.provenance))
        if met is None:
            notes += (
                f"whether version {model.version} has met single courses of the hold-out cannot be told: the digests "
                "of its courses are not beside this store",
            )
        elif met.any():
            notes += (f"{int(met.sum())} of {len(cohort)} courses of the hold-out are left out: version "
                      f"{model.version} has met them",)  # fmt: skip
            known.update(cohort.table["course_id"][met])
    if not known:
        return cohorts, notes
    left = [cohort.subset(~cohort.table["course_id"].isin(known).to_numpy()) for cohort in cohorts]
    if not all(len(cohort) for cohort in left):
        raise CohortError(
            "Expected a hold-out with courses that no model was trained on; all of them were. Name other courses with "
            "--on."
        )
    return left, notes


def _no_shared_resamples(model: ResponseModel, champion: ResponseModel) -> str:
    same = model.bundle.provenance.get("data_sha256") == champion.bundle.provenance.get("data_sha256")
    why = (
        "their runs hold no resamples of the same courses (other arms, or a run of another version of ketapredict)"
        if same
        else "they were trained on different data"
    )
    return (
        f"Version {model.version} cannot be compared with the champion, version {champion.version}: {why}. Name "
        f"courses that neither was trained on, or those that version {model.version} was and the champion was not: "
        "--on COHORT, with --mapping where they need one."
    )
