"""What the gate decides on, gathered from the runs of two versions and, where one is named, a hold-out."""

from dataclasses import dataclass
from pathlib import Path

from ketapredict.cohort.protocols import Protocol
from ketapredict.errors import ModelError
from ketapredict.response_model import ResponseModel
from ketapredict.tracking.evidence import CROSS_VALIDATION, HOLD_OUT, Comparison, Evidence, Figures, Source, Subgroup
from ketapredict.tracking.run_figures import RunFigures, comparison_of, comparisons, span_of, subgroups_of
from ketapredict.validate.hold_out import measure_hold_out, read_hold_out
from ketapredict.validate.replicates import INTERCEPT, SLOPE


@dataclass(frozen=True, slots=True)
class HoldOut:
    """Courses that neither model was trained on: table, mapping, and the protocol that they are said to follow."""

    path: Path
    mapping: Path | None = None
    protocol: Protocol | None = None


def gather(
    challenger: tuple[ResponseModel, RunFigures],
    champion: tuple[ResponseModel | None, RunFigures | None],
    hold_out: HoldOut | None,
) -> tuple[Evidence, tuple[str, ...], str]:
    """Gather what the gate decides on.

    Parameters
    ----------
    challenger, champion : tuple of ResponseModel and RunFigures
        None twice where there is no champion.
    hold_out : HoldOut or None

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
        origins["hold-out"] = "simulated" if any(cohort.simulated for cohort in cohorts) else "real"
        data_sha256 = cohorts[0].sha256
        notes = tuple(dict.fromkeys(notice for cohort in cohorts for notice in cohort.notices))
        if {s.sha256 for s in cohorts[0].sources} & set(model.bundle.provenance.get("source_sha256", [])):
            notes += ("the hold-out was read from a file that was trained on: no course may be in both",)
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


def _no_shared_resamples(model: ResponseModel, champion: ResponseModel) -> str:
    same = model.bundle.provenance.get("data_sha256") == champion.bundle.provenance.get("data_sha256")
    why = (
        "their runs hold no resamples of the same courses (other arms, or a run of another version of ketapredict)"
        if same
        else "they were trained on different data"
    )
    return (
        f"Version {model.version} cannot be compared with the champion, version {champion.version}: {why}. Name "
        "courses that neither was trained on: --on COHORT, with --mapping where they need one."
    )
