"""From a cohort, or from evidence alone, to a response model with its provenance."""

import platform
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import Outcome
from ketapredict.cohort.protocols import Protocol, protocol_to_plain
from ketapredict.cohort.scales import SCALES
from ketapredict.errors import TrainingError
from ketapredict.features.design import features_at
from ketapredict.model.bundle import Bundle, TrainedOn
from ketapredict.model.landmark_model import LandmarkModel
from ketapredict.model.prior import NO_PRIOR, OWN_PRIOR, EvidencePrior, chosen_prior, read_prior, trials_within
from ketapredict.model.score_bands import score_bands
from ketapredict.model.training_profile import profiled_columns, training_profile
from ketapredict.response_model import ResponseModel

# Of the courses that are judged by a scope that they had no part in, for the profile of training.
PROFILE_FOLDS = 5
# What the numbers of a fit depend on, next to the data and the seed.
ACTIVE_ARM_ADVICE = " With the active arm alone (`--arms active`) the evidence model can be started from."
VERSIONED = ("ketapredict", "numpy", "scipy", "scikit-learn", "xgboost-cpu")


def fit_response_model(
    cohort: Cohort,
    *,
    outcome: Outcome = "response",
    seed: int = 0,
    all_arms: bool = False,
    weighted: bool = False,
    prior: str | Path = OWN_PRIOR,
) -> tuple[ResponseModel, dict[str, str]]:
    """Fit a response model without validating it; `train` is what validates.

    A landmark with fewer than ten courses of either class gets the evidence model, of which only the rate is moved by
    the courses; without a prior, for other treatments than ketamine and with the arm as a feature it is refused.

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
    prior : str or Path
        `evidence` to start from the package's prior, `none` to learn from the courses alone, or the file of another
        prior.

    Returns
    -------
    model : ResponseModel
    refused : dict of str to str
        The reason for each landmark that could not be fitted.

    Raises
    ------
    TrainingError
        If no landmark can be fitted, or the prior was derived from these courses.
    FileError
        If the file of the prior cannot be used.
    """
    # Only fitting needs scikit-learn.
    from ketapredict.model.evidence_only import evidence_landmark, simulated_courses, with_moved_rate
    from ketapredict.model.fit import fit_landmark, refuse_too_few, training_data

    evidence = prior_for(cohort, outcome, prior)
    courses = cohort if all_arms else cohort.subset(cohort.active)
    models, refused, notices, simulated = [], {}, [], None
    for position, landmark in enumerate(cohort.protocol.landmarks):
        data = training_data(courses, landmark, outcome, with_arm=all_arms, weighted=weighted, evidence=evidence)
        try:
            refuse_too_few(data, landmark, outcome)
        except TrainingError as error:
            if evidence is None or all_arms or not cohort.protocol.gives_ketamine:
                refused[landmark] = f"{error}{ACTIVE_ARM_ADVICE if all_arms and evidence is not None else ''}"
                continue
            simulated = simulated or simulated_courses(cohort.protocol)
            start = evidence_landmark(simulated, landmark, outcome, evidence)
            models.append(with_moved_rate(start, data, evidence))
            notices.append(_not_fitted(models[-1], outcome))
            continue
        rng = np.random.default_rng([seed, position])
        models.append(fit_landmark(data, landmark, outcome, rng))
    if not models:
        raise TrainingError("No landmark can be fitted. " + " ".join(refused.values()))
    only_evidence = all(model.from_evidence for model in models)
    provenance = provenance_of(cohort, courses, seed)
    provenance["notices"] = [*notices, *provenance["notices"]]
    bundle = Bundle(
        name=f"{cohort.protocol.name}-{outcome}",
        outcome=outcome,
        protocol=cohort.protocol,
        scales=tuple(sorted(courses.table["scale"].astype(str).unique())),
        extras=cohort.extras,
        with_arm=all_arms,
        trained_on="simulated" if cohort.simulated else "evidence" if only_evidence else "real",
        provenance=provenance | {"weights": "completion" if weighted else "none", "prior": _prior_facts(evidence)},
        landmarks=tuple(models),
        bands=score_bands(courses, outcome),
    )
    return ResponseModel(with_profiles(bundle, courses)), refused


def evidence_response_model(
    protocol: Protocol, outcome: Outcome = "response", evidence: EvidencePrior | None = None
) -> ResponseModel:
    """Return the model of a protocol from evidence and simulated courses, without any patient.

    Parameters
    ----------
    protocol : Protocol
        That gives ketamine.
    outcome : {"response", "remission"}
    evidence : EvidencePrior or None
        The package's own by default.

    Raises
    ------
    TrainingError
        If the protocol is of another treatment: nothing is known of its rate.
    """
    from ketapredict.model.evidence_only import SEED, evidence_landmark, simulated_courses

    if not protocol.gives_ketamine:
        raise TrainingError(
            f"Expected a protocol of ketamine; {protocol.name} gives {protocol.active_treatment}, of which the "
            "evidence of this package says nothing. Train on courses of your own."
        )
    evidence = evidence or read_prior(outcome)
    courses = simulated_courses(protocol)
    trained_on: TrainedOn = "evidence"
    bundle = Bundle(
        name=f"{protocol.name}-{outcome}",
        outcome=outcome,
        protocol=protocol,
        scales=tuple(sorted(SCALES)),
        extras=(),
        with_arm=False,
        trained_on=trained_on,
        provenance=provenance_of(courses, courses, SEED) | {"weights": "none", "prior": _prior_facts(evidence)},
        landmarks=tuple(evidence_landmark(courses, landmark, outcome, evidence) for landmark in protocol.landmarks),
        bands=score_bands(courses, outcome),
    )
    return ResponseModel(bundle)


def prior_for(cohort: Cohort, outcome: Outcome, choice: str | Path) -> EvidencePrior | None:
    """Return the chosen prior; refuse one that was derived from the cohort itself.

    Raises
    ------
    TrainingError
        If the courses would be counted twice, and every cross-validation look better than it is.
    FileError
        If the file of the prior cannot be used.
    """
    evidence = chosen_prior(choice, outcome)
    if evidence is not None:
        twice = trials_within(evidence, cohort)
        if twice:
            raise TrainingError(
                f"Expected courses that the prior does not know; it was derived from some of these ({twice[0]}): they "
                f"would count twice. Train with `--prior {NO_PRIOR}`, or with a prior without them: `python -m "
                f"ketapredict.prior.derive REALDATA --without {twice[0]} --output prior.json`, `--prior prior.json`."
            )
    return evidence


def _prior_facts(evidence: EvidencePrior | None) -> dict[str, Any]:
    if evidence is None:
        return {"used": False}
    trials = {trial.name: trial.treatment for trial in evidence.trials}
    return {"used": True, "sha256": evidence.sha256, "trials": trials}


def _not_fitted(model: LandmarkModel, outcome: Outcome) -> str:
    if model.updated is None:
        return (
            f"{model.landmark}: THE EVIDENCE MODEL as it is: too few courses have the landmark's score and the outcome"
        )
    return (
        f"{model.landmark}: THE EVIDENCE MODEL, of which only the rate was moved by {model.updated.courses} courses, "
        f"{model.updated.events} with {outcome}: too few to fit or to validate anything here"
    )


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
    from ketapredict.features.design import design_frame
    from ketapredict.model.scope import fit_scope
    from ketapredict.model.uncertainty import out_of_sample_deviations

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
