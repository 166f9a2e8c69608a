"""Draws of whole courses, a chunk at a time, each chunk from its own child seed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ketapredict.cohort.cohort import SIMULATED_PREFIX
from ketapredict.cohort.protocols import BASELINE
from ketapredict.cohort.scales import RECALL_REFUSED_BEFORE_HOURS
from ketapredict.simulate.classes import CLASS_OF_STEP, CLASSES, SITE_SPREAD, steps_of
from ketapredict.simulate.columns import Columns, Numbered, Words
from ketapredict.simulate.covariates import draw_covariates, with_gaps
from ketapredict.simulate.dropout import observed
from ketapredict.simulate.effects import liability
from ketapredict.simulate.model import Model, model_of
from ketapredict.simulate.peri_infusion import blood_pressure, dissociation
from ketapredict.simulate.ratings import RATER_SPREAD, baseline_scores, scores_from
from ketapredict.simulate.scenario import Scenario
from ketapredict.simulate.time_course import design_of

CHUNK_COURSES = 50_000
DOSE_MG_PER_KG = 0.5


@dataclass(frozen=True)
class Chunk:
    """A part of a simulated cohort.

    Attributes
    ----------
    table : Columns
        The cohort table.
    hidden : Columns
        What no table holds: the classes, the scores that would have been seen had nothing been missing,
        and blood pressure at 40 min.
    seed : numpy.random.SeedSequence
        For the Monte Carlo integration of the known truth.
    """

    table: Columns
    hidden: Columns
    seed: np.random.SeedSequence


@dataclass(frozen=True)
class _Sites:
    liability: np.ndarray
    leniency: np.ndarray


def simulate_chunks(scenario: Scenario, n_courses: int, seed: int) -> Iterator[Chunk]:
    """Simulate courses in chunks of 50,000: memory does not grow with their number.

    Parameters
    ----------
    scenario : Scenario
    n_courses : int
        >= 1.
    seed : int
        The same seed, scenario and number give the same chunks.

    Raises
    ------
    ValueError
        If the number of courses is not positive.
    """
    if n_courses < 1:
        raise ValueError("expected at least one course")
    model = model_of(scenario)
    n_chunks = -(-n_courses // CHUNK_COURSES)
    of_sites, *of_chunks = np.random.SeedSequence(seed).spawn(1 + n_chunks)
    rng = np.random.default_rng(of_sites)
    sites = _Sites(
        rng.normal(0, SITE_SPREAD, scenario.n_sites),
        rng.normal(0, RATER_SPREAD, scenario.n_sites),
    )
    width = max(4, len(str(n_courses)))
    for number, child in enumerate(of_chunks):
        start = number * CHUNK_COURSES
        ids = np.arange(start + 1, min(start + CHUNK_COURSES, n_courses) + 1)
        yield _chunk(model, ids, width, sites, child)


def _chunk(model: Model, ids: np.ndarray, width: int, sites: _Sites, seed: np.random.SeedSequence) -> Chunk:
    scenario, n = model.scenario, len(ids)
    scale = scenario.rating_scale
    of_courses, of_truth = seed.spawn(2)
    rng = np.random.default_rng(of_courses)
    site = rng.integers(0, scenario.n_sites, n)
    drawn = draw_covariates(scenario, n, rng)
    control = rng.random(n) < scenario.control_share
    first, late = _steps(model, drawn.columns, drawn.severity, control, sites.liability[site], rng)
    baseline = baseline_scores(drawn.severity, scenario, rng)
    latent = _latent(model, first, late, rng)
    scores = scores_from(latent[:, :-1] + sites.leniency[site][:, None], baseline, scale)

    columns = with_gaps(drawn.columns, scenario.missing_share, rng)
    table: Columns = {
        "course_id": Numbered(SIMULATED_PREFIX, ids, width),
        "patient_id": Numbered(f"{SIMULATED_PREFIX}patient-", ids, width),
        "site": Words(site, tuple(f"S{number + 1}" for number in range(scenario.n_sites))),
    }
    if scenario.control != "none":
        table["arm"] = Words(control.astype(np.int8), (scenario.protocol.active_treatment, "control"))
    known = {"age_years", "sex", "bmi_kg_m2", "diagnosis"}
    table |= {"age_years": np.asarray(columns["age_years"]).astype(np.int64), "sex": columns["sex"]}
    table |= {"bmi_kg_m2": columns["bmi_kg_m2"], "diagnosis": columns["diagnosis"]}
    table["scale"] = Words(np.zeros(n, np.int8), (scenario.scale,))
    table |= {name: cells for name, cells in columns.items() if name not in known}
    table |= _suicidality(model, baseline, np.asarray(drawn.columns["suicide_attempts"]), rng)
    table |= _dosing(model, n)
    hidden: Columns = {"course_id": table["course_id"]}
    hidden |= {
        "class_first_infusion": Words(CLASS_OF_STEP[first], CLASSES),
        "class_course": Words(CLASS_OF_STEP[late], CLASSES),
    }
    if "40min" in scenario.protocol.names:
        table |= with_gaps({"cadss_40min": dissociation(latent[:, -1], control)}, scenario.missing_share, rng)
    table[f"score_{BASELINE}"] = baseline.astype(np.int64)
    points = scenario.protocol.time_points
    rated = np.array([not scale.looks_back_too_far_for_hours or p.hours >= RECALL_REFUSED_BEFORE_HOURS for p in points])
    seen = observed(np.where(rated, scores, np.nan), baseline, model, rng)
    for number, point in enumerate(points):
        hidden[f"complete_score_{point.name}"] = scores[:, number].astype(np.int64)
        table[f"score_{point.name}"] = seen[:, number]
    hidden |= blood_pressure(drawn.columns, len(model.infusions), control, rng)
    return Chunk(table, hidden, of_truth)


def _steps(
    model: Model,
    columns: Columns,
    severity: np.ndarray,
    control: np.ndarray,
    of_site: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the step at the first infusion and of the course, (n,) each."""
    known = liability(columns, severity, model.scenario)
    late_own = rng.standard_normal(len(control))
    first_own = np.where(rng.random(len(control)) < model.same, late_own, rng.standard_normal(len(control)))
    first = np.where(control, model.control.first, model.active.first) + first_own + of_site
    late = np.where(control, model.control.late, model.active.late) + late_own + of_site
    return steps_of(first[:, None] + known.slowing + known.mean), steps_of(late[:, None] + known.mean)


def _latent(model: Model, first: np.ndarray, late: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw latent improvements without the rater, and the normal behind dissociation, (n, T + 1)."""
    n_points = model.n_points
    own = model.covariance.copy()
    own[:n_points, :n_points] -= RATER_SPREAD**2
    root = np.linalg.cholesky(own)
    latent: np.ndarray = model.means[first, late] + rng.standard_normal((len(first), n_points + 1)) @ root.T
    return latent


def _suicidality(model: Model, baseline: np.ndarray, attempts: np.ndarray, rng: np.random.Generator) -> Columns:
    """Draw the scale's own item: higher with severity and earlier attempts; sizes assumed."""
    scale = model.scenario.rating_scale
    if scale.suicidality_maximum is None:
        return {}
    share = baseline / scale.maximum - 0.22 + 0.06 * np.minimum(attempts, 3) + rng.normal(0, 0.15, len(baseline))
    return {"suicidality_item": np.rint(np.clip(share, 0, 1) * scale.suicidality_maximum).astype(np.int64)}


def _dosing(model: Model, n_courses: int) -> Columns:
    """Return dose and infusions; nothing for treatments other than ketamine, no dose for its enantiomers."""
    treatment = model.scenario.protocol.active_treatment.lower()
    if not model.scenario.protocol.gives_ketamine or design_of(model.scenario) == "gradual":
        return {}
    planned: Columns = {"infusions_planned": np.full(n_courses, len(model.infusions))}
    if any(name in treatment for name in ("esketamine", "arketamine")):
        return planned
    return {"dose_mg_per_kg": np.full(n_courses, DOSE_MG_PER_KG)} | planned
