"""What evidence says of a landmark's coefficients before any course of one's own is seen.

All effects are per unit of the feature, on log-odds, and on features without a scale (early improvement as a share of
the baseline, scores as a share of the scale's range), so that they carry over scales and schedules. What changes with
how early a rating is, changes with its relative time: hours of the time point over hours of the outcome, 0 to 1.
The figures and where they come from are package data, derived by `ketapredict.prior`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import numpy as np

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import Outcome
from ketapredict.cohort.protocols import PRE, Protocol
from ketapredict.errors import FileError
from ketapredict.features.design import Feature

FORMAT, FORMAT_VERSION = "ketapredict prior", 3
OWN_PRIOR, NO_PRIOR = "evidence", "none"
SEVERITY = "severity_relative"
# How early scores tell of late ones under ketamine is the least certain input (`data/evidence/README.md`).
LINES_CERTAINTY = "moderate in other treatments, low for ketamine"
_LEAST, _MOST = 1e-4, 50.0
# Of a digest: enough to tell courses apart, too few to find a course's scores out by trying all that are possible.
_DIGITS_OF_A_DIGEST = 6
# By chance a digest of 24 bits is found in 100,000 courses of others once or twice for a trial of 240 courses.
FEWEST_RECOGNISED = 5


@dataclass(frozen=True, slots=True)
class Line:
    """A coefficient as a line in relative time: `start + slope * time`, and how far a clinic may be from it (SD).

    `spread` is the line's own. `shared` is what nobody knows of all lines at once: how closely late scores follow early
    ones under ketamine. Where one line is too low by so many of its `shared`, all others are.
    """

    start: float
    slope: float
    spread: float
    shared: float

    def at(self, time: float) -> float:
        """Return the line's height at a relative time."""
        return self.start + self.slope * time


@dataclass(frozen=True, slots=True)
class BaselineEffect:
    """A published effect that is known before the first infusion.

    Attributes
    ----------
    feature : str
    mean, sd : float
        Log odds ratio per unit of the feature.
    sources : tuple of str
        Rows of `data/evidence/predictors.json`.
    certainty : str
    outcome_hours : float
        When its outcome was rated: of later landmarks it says nothing beside the scores that they know.
    """

    feature: str
    mean: float
    sd: float
    sources: tuple[str, ...]
    certainty: str
    outcome_hours: float


@dataclass(frozen=True, slots=True)
class PriorTrial:
    """A trial that a prior was derived from.

    Attributes
    ----------
    name, treatment : str
    points : int
        Coefficients that it gave for the outcome.
    courses : tuple of str
        Short digests of its courses (`course_digests`): they must not be trained on with this prior.
    """

    name: str
    treatment: str
    points: int
    courses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EvidencePrior:
    """The prior of one outcome at any landmark of any protocol.

    Attributes
    ----------
    alone : Line
        Latest early improvement where it is the only input.
    latest, earlier : Line
        Latest early improvement beside earlier ones; sum over the earlier ones.
    end_latest, end_severity : Line
        Relative end score per unit of the latest relative score, and of the baseline's.
    carried : Line
        Share of a baseline effect that early scores leave over.
    severity : Line
        Baseline severity beside early scores; where no published effect says something of it.
    baseline : tuple of BaselineEffect
        Of ketamine; other treatments have none.
    rate_spread : float
        SD between clinics of the log-odds of the outcome.
    trials : tuple of PriorTrial
    sha256 : str
        Of the file that it was read from.
    """

    alone: Line
    latest: Line
    earlier: Line
    end_latest: Line
    end_severity: Line
    carried: Line
    severity: Line
    baseline: tuple[BaselineEffect, ...]
    rate_spread: float
    trials: tuple[PriorTrial, ...]
    sha256: str

    @classmethod
    def from_plain(cls, content: Mapping[str, Any], outcome: Outcome, sha256: str) -> Self:
        """Read the JSON values of one outcome; raises KeyError, TypeError or ValueError where they are damaged."""
        plain = content["outcomes"][outcome]
        lines = {name: Line(**{k: float(v) for k, v in plain["lines"][name].items()}) for name in LINES}
        effects = tuple(
            BaselineEffect(
                str(e["feature"]), float(e["mean"]), float(e["sd"]), tuple(e["sources"]), str(e["certainty"]),
                float(e["outcome_hours"]),
            )
            for e in plain["baseline"]
        )  # fmt: skip
        rate_spread = float(content["rate"]["spread"])
        spreads = [rate_spread, *(line.spread for line in lines.values()), *(effect.sd for effect in effects)]
        heights = [v for line in lines.values() for v in (line.start, line.slope, line.shared)]
        heights += [effect.mean for effect in effects]
        names = [effect.feature for effect in effects]
        # No effect on log-odds is believed to be near these bounds; a number beyond them is a damaged file.
        if not all(_LEAST <= spread <= _MOST for spread in spreads) or not all(abs(v) <= _MOST for v in heights):
            raise ValueError("finite numbers within bounds")
        if len(set(names)) < len(names):
            raise ValueError("one effect for each feature")
        trials = tuple(
            PriorTrial(str(name), str(trial["treatment"]), int(trial["points"][outcome]), tuple(trial["courses"]))
            for name, trial in content["made_from"]["trials"].items()
        )
        return cls(**lines, baseline=effects, rate_spread=rate_spread, trials=trials, sha256=sha256)


LINES = ("alone", "latest", "earlier", "end_latest", "end_severity", "carried", "severity")


@dataclass(frozen=True, slots=True)
class LandmarkPrior:
    """The prior of one landmark's features.

    Attributes
    ----------
    names : tuple of str
        k features that evidence says something about; about others it says nothing.
    means, sds : numpy.ndarray
        (k,) per unit of the feature; the SDs are independent of each other.
    shared : numpy.ndarray
        (k,) SD of what all share: the covariance is diag(sds^2) + shared shared'.
    sources, certainty : tuple of str
        (k,) where each comes from, and how sure that is.
    latest : str
        The latest early improvement; empty before the first infusion.
    alone : tuple of float
        Mean and SD of its coefficient where it is the only input; (0, 0) before the first infusion.
    end_score : dict of str to float
        Weights of features in the relative end score.
    """

    names: tuple[str, ...]
    means: np.ndarray
    sds: np.ndarray
    shared: np.ndarray
    sources: tuple[str, ...]
    certainty: tuple[str, ...]
    latest: str
    alone: tuple[float, float]
    end_score: dict[str, float]

    @property
    def spreads(self) -> np.ndarray:
        """SD of each coefficient, (k,), what it shares with others included."""
        return np.hypot(self.sds, self.shared)


def read_prior(outcome: Outcome, path: Path | None = None) -> EvidencePrior:
    """Read a prior: the package's own, or one derived with further trials.

    Raises
    ------
    FileError
        If the file is not a prior of this format.
    """
    source = path if path is not None else files("ketapredict") / "data" / "prior.json"
    try:
        content = source.read_bytes()
    except OSError:
        raise FileError(f"Expected a prior at {source}; it cannot be read.") from None
    try:
        plain = json.loads(content)
        if (plain["format"], plain["format_version"]) != (FORMAT, FORMAT_VERSION):
            raise ValueError("format")
        return EvidencePrior.from_plain(plain, outcome, hashlib.sha256(content).hexdigest())
    except (KeyError, TypeError, ValueError, AttributeError):
        raise FileError(
            f"{source} is not a prior of this version: derive it again with `python -m ketapredict.prior.derive`."
        ) from None


def chosen_prior(choice: str | Path, outcome: Outcome) -> EvidencePrior | None:
    """Return the prior of a choice: `evidence` for the package's own, `none`, or the file of another.

    Raises
    ------
    FileError
        If the file is not a prior.
    """
    if str(choice) == NO_PRIOR:
        return None
    return read_prior(outcome, None if str(choice) == OWN_PRIOR else Path(choice))


def course_digests(cohort: Cohort) -> list[str]:
    """Return a short digest of each course: of its scale, its baseline score and all later ones in their order."""
    names = [name for name in cohort.table if name.startswith("score_")]
    scales = cohort.table["scale"].astype(str).to_numpy()
    found = []
    for scale, scores in zip(scales, cohort.table[names].to_numpy(float), strict=True):
        text = "|".join([scale, *(f"{score:g}" for score in scores if not np.isnan(score))])
        found.append(hashlib.sha256(text.encode()).hexdigest()[:_DIGITS_OF_A_DIGEST])
    return found


def trials_within(evidence: EvidencePrior, cohort: Cohort) -> tuple[str, ...]:
    """Return the trials of a prior of which at least five courses are in a cohort."""
    own = set(course_digests(cohort))
    return tuple(t.name for t in evidence.trials if len(own.intersection(t.courses)) >= FEWEST_RECOGNISED)


def relative_time(protocol: Protocol, landmark: str) -> float:
    """Return hours of a landmark over hours of the outcome; 0 before the first infusion."""
    if landmark == PRE:
        return 0.0
    hours = {point.name: point.hours for point in protocol.time_points}
    return hours[landmark] / hours[protocol.outcome]


def prior_at(evidence: EvidencePrior, features: Sequence[Feature], landmark: str, protocol: Protocol) -> LandmarkPrior:
    """Return what evidence says of the features of a landmark.

    Parameters
    ----------
    evidence : EvidencePrior
    features : sequence of Feature
        Of the landmark.
    landmark : str
    protocol : Protocol
        Published effects of baseline variables are of ketamine: for other treatments they are left out.
    """
    time = relative_time(protocol, landmark)
    hours = 0.0 if landmark == PRE else protocol.time_point(landmark).hours
    of_lines = f"lines of {', '.join((*(trial.name for trial in evidence.trials), 'the simulator'))}"
    found: dict[str, tuple[float, float, float, str, str]] = {}
    improvements = [feature.name for feature in features if feature.rule == "early_improvement"]
    earlier = improvements[:-1]
    for name in earlier:
        mean, sd = evidence.earlier.at(time) / len(earlier), evidence.earlier.spread / np.sqrt(len(earlier))
        found[name] = (mean, float(sd), evidence.earlier.shared / len(earlier), of_lines, LINES_CERTAINTY)
    if improvements:
        line = evidence.latest if earlier else evidence.alone
        found[improvements[-1]] = (line.at(time), line.spread, line.shared, of_lines, LINES_CERTAINTY)
    found[SEVERITY] = (evidence.severity.at(time), evidence.severity.spread, 0.0, of_lines, LINES_CERTAINTY)
    if protocol.gives_ketamine:
        known = {feature.name for feature in features}
        share = float(np.clip(evidence.carried.at(time), 0.0, 1.0)) if improvements else 1.0
        for effect in evidence.baseline:
            if effect.feature in known:
                # What was found of a score that the landmark knows is in that score already.
                mean = share * effect.mean if effect.outcome_hours > hours else 0.0
                # A single study never says more of what early scores leave over than of the whole.
                spread = (
                    float(np.hypot(effect.sd, evidence.carried.spread * effect.mean)) if improvements else effect.sd
                )
                found[effect.feature] = (mean, spread, 0.0, ", ".join(effect.sources), effect.certainty)
    end_score = {}
    if improvements:
        scores = [f.name for f in features if f.rule == "relative_score" and f.name != SEVERITY]
        end_score = {scores[-1]: evidence.end_latest.at(time), SEVERITY: evidence.end_severity.at(time)}
    return LandmarkPrior(
        names=tuple(found),
        means=np.array([mean for mean, *_ in found.values()]),
        sds=np.array([sd for _, sd, *_ in found.values()]),
        shared=np.array([shared for _, _, shared, *_ in found.values()]),
        sources=tuple(source for *_, source, _ in found.values()),
        certainty=tuple(certainty for *_, certainty in found.values()),
        latest=improvements[-1] if improvements else "",
        alone=(evidence.alone.at(time), float(np.hypot(evidence.alone.spread, evidence.alone.shared)))
        if improvements
        else (0.0, 0.0),
        end_score=end_score,
    )
