"""Derive the prior: `python -m ketapredict.prior.derive REALDATA` writes the package's own.

Three sources, kept apart in the file:

* trials whose courses are open: coefficients with their standard errors;
* the calibrated simulator, at the least, the middle and the greatest early-to-end correlation that the evidence allows
  (0.3, 0.5, 0.8, taken as the ends and the middle of 90%): how early and late scores go together in a course of
  ketamine, and which share of a baseline effect the early scores carry;
* published effects of baseline variables (`published`), directly at `pre`, later by that share.

A line in relative time goes through the points of trials and simulator, weighted by their precision and by how far they
lie apart (DerSimonian and Laird, around a line). A clinic's own coefficient is expected around it with a spread of

    sqrt(tau^2 + SE(line)^2 + (UNKNOWN_TREATMENT * height)^2 / trials),

the last for what few trials cannot show: how much treatments differ. It narrows as trials are added. The points of the
simulator are not independent of each other: one unknown correlation moves them all. What the lines share is the mean
over the simulator's points of the distance to the farther of its ends over 1.645, the SD of which these are the ends of
90%.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.mapping_file import mapping_folder
from ketapredict.cohort.outcomes import Outcome
from ketapredict.cohort.protocols import BUILT_IN, PRE
from ketapredict.cohort.read import cohort_from_frame, read_cohort
from ketapredict.errors import CohortError, KetapredictError
from ketapredict.model.fit import FEWEST_EVENTS, training_data
from ketapredict.model.prior import FORMAT, FORMAT_VERSION, LINES, Line, course_digests, relative_time
from ketapredict.prior.published import Contrast, baseline_effects, contrasts, rate_spread
from ketapredict.prior.relations import Point, coefficients_beside, points_of_trial, relations
from ketapredict.simulate import simulate_cohort
from ketapredict.whole_files import write_whole

OUTCOMES: tuple[Outcome, ...] = ("response", "remission")
OPEN_TRIALS = {
    "dia_hamd17": ("dia_hamd17/antidepressant_data_long.csv", "dia-hamd17"),
    "riesby_hdrs": ("riesby_hdrs/riesby_long.csv", "riesby-hdrs"),
}
SIMULATED = "simulator"
COURSES, SITES, SEED = 20_000, 200, 20_261_123
CORRELATIONS = (0.3, 0.5, 0.8)
UNKNOWN_TREATMENT = 0.4
# Where the correlation changes nothing, the simulator is still only a model.
SMALLEST_ERROR = 0.1
# Of the severity beside early scores nobody knows more: 0.13 log-odds for one SD of a relative score.
SMALLEST_SPREAD_OF_SEVERITY = 1.0
_SEVERITY = "severity"
# Lines are drawn where landmarks are: their height is taken here.
TYPICAL_TIME = 0.25
NO_MAPPING = "none"
STATEMENT = "From published evidence, open trials of other treatments and simulated courses; not validated on patients."

Simulated = dict[tuple[str, float], Cohort]


def derive(trials: dict[str, Cohort], simulated: Simulated) -> dict[str, Any]:
    """Return the prior as JSON values.

    Parameters
    ----------
    trials : dict of str to Cohort
        May be empty.
    simulated : dict
        From `simulated_cohorts`.
    """
    return {
        "statement": STATEMENT,
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "made_from": {
            "trials": {name: _trial(name, cohort) for name, cohort in trials.items()},
            "simulator": {"courses": COURSES, "sites": SITES, "seed": SEED, "early_end_correlation": CORRELATIONS},
        },
        "rate": _rate(),
        "published": [_plain_contrast(contrast) for contrast in contrasts()],
        "outcomes": {outcome: _of_outcome(trials, simulated, outcome) for outcome in OUTCOMES},
    }


def simulated_cohorts() -> Simulated:
    """Return courses of each built-in protocol at each correlation."""
    found = {}
    for name, protocol in BUILT_IN.items():
        for correlation in CORRELATIONS:
            table = simulate_cohort(COURSES, SEED, protocol, n_sites=SITES, early_end_correlation=correlation)
            found[name, correlation] = cohort_from_frame(table, protocol)
    return found


def line_through(points: Sequence[Point], trials: int) -> tuple[Line, float]:
    """Return the line through points, with its spread and nothing that is shared, and tau."""
    times = np.array([point.time for point in points])
    values = np.array([point.value for point in points])
    variances = np.array([point.standard_error for point in points]) ** 2
    X = np.column_stack([np.ones(len(times)), times])

    def fitted(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        covariance = np.linalg.inv((X.T * weights) @ X)
        return covariance @ (X.T * weights) @ values, covariance

    weights = 1.0 / variances
    around, covariance = fitted(weights)
    excess = weights @ (values - X @ around) ** 2 - (len(values) - X.shape[1])
    spare = weights.sum() - np.trace(covariance @ (X.T * weights**2) @ X)
    tau2 = max(0.0, float(excess / spare)) if spare > 0 else 0.0
    around, covariance = fitted(1.0 / (variances + tau2))
    here = np.array([1.0, TYPICAL_TIME])
    unknown = (UNKNOWN_TREATMENT * float(here @ around)) ** 2 / max(trials, 0.5)
    spread = float(np.sqrt(tau2 + here @ covariance @ here + unknown))
    return Line(_rounded(around[0]), _rounded(around[1]), _rounded(spread), 0.0), _rounded(np.sqrt(tau2))


def _trial(name: str, cohort: Cohort) -> dict[str, Any]:
    """Return what is kept of a trial: enough to recognise its courses, not enough to know them."""
    points = {outcome: len(points_of_trial(name, cohort, outcome)) for outcome in OUTCOMES}
    if not any(points.values()):
        raise CohortError(
            f"Expected a trial with a landmark at which at least {FEWEST_EVENTS} courses of the active arm have the "
            f"outcome and {FEWEST_EVENTS} have not; {name} has none. A prior learns nothing from it."
        )
    treatment = cohort.protocol.active_treatment
    return {"treatment": treatment, "points": points, "courses": sorted(set(course_digests(cohort)))}


def _rate() -> dict[str, Any]:
    spread, arms = rate_spread()
    return {"spread": _rounded(spread), "arms": arms}


def _of_outcome(trials: dict[str, Cohort], simulated: Simulated, outcome: Outcome) -> dict[str, Any]:
    points = [point for name, cohort in trials.items() for point in points_of_trial(name, cohort, outcome)]
    found, ranges = _simulated_points(simulated, outcome)
    points += found
    lines, between = {}, {}
    for name in LINES:
        of_line = [point for point in points if point.line == name]
        n_trials = len({point.source for point in of_line if not point.source.startswith(SIMULATED)})
        line, between[name] = line_through(of_line, n_trials)
        least = SMALLEST_SPREAD_OF_SEVERITY if name == _SEVERITY else 0.0
        shared = _rounded(np.mean(ranges[name]))
        lines[name] = asdict(replace(line, spread=max(line.spread, least), shared=shared))
    return {
        "lines": lines,
        "tau": between,
        # The published effects are of response; of remission P38 says that resistance lowers it, without a figure.
        "baseline": [_plain_effect(effect) for effect in baseline_effects()] if outcome == "response" else [],
        "points": [_plain_point(point) for point in points],
    }


def _simulated_points(simulated: Simulated, outcome: Outcome) -> tuple[list[Point], dict[str, list[float]]]:
    """Return the points at the middle correlation, and for each line what the correlation leaves open, as SDs."""
    low, middle, high = CORRELATIONS
    points: list[Point] = []
    ranges: dict[str, list[float]] = {name: [] for name in LINES}
    for name, protocol in BUILT_IN.items():
        published = [effect.feature for effect in baseline_effects() if effect.mean != 0.0]
        before = {c: training_data(simulated[name, c], PRE, outcome) for c in CORRELATIONS}
        names = [f for f in published if f in before[middle].frame]
        at_pre = {c: coefficients_beside(data, names) for c, data in before.items()}
        for landmark in protocol.landmarks:
            found: dict[float, dict[str, float]] = {}
            for correlation in CORRELATIONS:
                data = training_data(simulated[name, correlation], landmark, outcome)
                found[correlation] = {line: value for line, (value, _) in relations(data).items()}
                if landmark == PRE:
                    continue
                start = at_pre[correlation]
                share = start @ coefficients_beside(data, names) / (start @ start)
                found[correlation]["carried"] = float(share)
            time = relative_time(protocol, landmark)
            for line, value in found[middle].items():
                # The ends are those of 90%.
                error = abs(found[high][line] - found[low][line]) / (2 * ndtri(0.95))
                error = max(error, SMALLEST_ERROR * abs(value))
                points.append(Point(line, f"{SIMULATED} {name}", landmark, time, value, error, 0, 0))
                # Coefficients grow faster towards a perfect correlation: the farther end is what must be covered.
                farther = max(abs(found[end][line] - value) for end in (low, high))
                ranges[line].append(farther / ndtri(0.95))
    return points, ranges


def _plain_contrast(contrast: Contrast) -> dict[str, Any]:
    numbers = ("log_odds_ratio", "standard_error")
    findings = [asdict(f) | {name: _rounded(getattr(f, name)) for name in numbers} for f in contrast.findings]
    return asdict(contrast) | {"findings": findings}


def _plain_effect(effect: Any) -> dict[str, Any]:
    return asdict(effect) | {"mean": _rounded(effect.mean), "sd": _rounded(effect.sd)}


def _plain_point(point: Point) -> dict[str, Any]:
    numbers = {name: _rounded(getattr(point, name)) for name in ("time", "value", "standard_error")}
    return asdict(point) | numbers


def _rounded(value: float) -> float:
    """Round to four significant digits: more is not known, and other processors round the last ones otherwise."""
    return float(f"{value:.4g}")


def write_prior(plain: dict[str, Any], path: Path) -> str:
    """Write a prior; return the SHA-256 of the file."""
    content = (json.dumps(plain, indent=1, allow_nan=False) + "\n").encode()
    write_whole({path: lambda target: target.write_bytes(content)})
    return hashlib.sha256(content).hexdigest()


def open_trials(folder: Path) -> dict[str, Cohort]:
    """Read the open trials from the folder that holds them."""
    mappings = Path(str(mapping_folder()))
    return {
        name: read_cohort(folder / file, mappings / f"{mapping}.toml", mappings / f"{mapping}.protocol.toml")
        for name, (file, mapping) in OPEN_TRIALS.items()
    }


def main() -> None:
    """Write a prior; the package's own where no other output is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("realdata", type=Path, help="folder of the open trials")
    parser.add_argument("--without", action="append", default=[], choices=sorted(OPEN_TRIALS), help="leave a trial out")
    parser.add_argument(
        "--add",
        action="append",
        default=[],
        nargs=4,
        metavar=("NAME", "COHORT", "MAPPING", "PROTOCOL"),
        help=f"a trial of your own, of ketamine or not; MAPPING {NO_MAPPING} where it is a cohort table",
    )
    parser.add_argument("--output", type=Path, help="default: the package's own")
    arguments = parser.parse_args()
    if (arguments.add or arguments.without) and arguments.output is None:
        parser.error("--add and --without need --output: the package's own prior is of the open trials as they are.")
    output = arguments.output or Path(str(files("ketapredict") / "data" / "prior.json"))
    try:
        trials = open_trials(arguments.realdata)
        trials = {name: cohort for name, cohort in trials.items() if name not in arguments.without}
        for name, file, mapping, protocol in arguments.add:
            trials[name] = read_cohort(Path(file), None if mapping == NO_MAPPING else mapping, protocol)
        write_prior(derive(trials, simulated_cohorts()), output)
    except KetapredictError as error:
        raise SystemExit(f"Error: {error}") from None
    for name, cohort in trials.items():
        points = {outcome: len(points_of_trial(name, cohort, outcome)) for outcome in OUTCOMES}
        told = f"{name} ({cohort.protocol.active_treatment}): {points['response']} coefficients for response"
        sys.stdout.write(f"{told}\n")
    sys.stdout.write(f"{output}\n")


if __name__ == "__main__":
    main()
