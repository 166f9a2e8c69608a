"""How often `monitor` sounds the alarm: without drift, and with some.

    .venv/bin/python benchmarks/drift_alarms.py [--runs 100] [--training 150]

All courses of a run are of one simulated population. Each run draws training courses, which make the profile, and new
courses; the committee is fitted once in ten runs. Prints the share of runs with an alarm by the number of new courses:
as drawn (at most 0.05 is promised), with everybody eight years older, with a third of the body mass indices lost, and
with end scores back at the baseline in a third (calibration). The share has a standard error of about 0.02 at 0.05 and
100 runs.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.cohort.protocols import Protocol, TimePoint
from ketapredict.cohort.read import cohort_from_frame
from ketapredict.drift.monitoring import monitor
from ketapredict.fitting import fit_response_model, with_profiles
from ketapredict.response_model import ResponseModel
from ketapredict.simulate import simulate_cohort

SIZES = (20, 50, 200)
POPULATION = 10_000
PROTOCOL = Protocol(
    "short",
    (
        TimePoint("24h", 24.0, (18.0, 36.0)),
        TimePoint("72h", 72.0, (48.0, 96.0)),
        TimePoint("7d", 168.0, (120.0, 216.0)),
    ),
    ("24h", "72h"),
    "7d",
)


def older(table: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
    """Return the courses eight years older."""
    return table.assign(age_years=np.clip(table["age_years"] + 8, 12, 100))


def lost(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return the courses with a third of the body mass indices missing."""
    return table.assign(bmi_kg_m2=table["bmi_kg_m2"].mask(rng.random(len(table)) < 1 / 3))


def unimproved(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return the courses with a third of the end scores back at the baseline."""
    back = rng.random(len(table)) < 1 / 3
    return table.assign(score_7d=table["score_7d"].mask(back & table["score_7d"].notna(), table["score_baseline"]))


CHANGES: dict[str, Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]] = {
    "no drift": lambda table, _: table,
    "8 years older": older,
    "a third of BMI lost": lost,
    "a third do not improve": unimproved,
}


def main() -> None:
    """Print the shares of runs with an alarm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--training", type=int, default=150)
    arguments = parser.parse_args()
    rng = np.random.default_rng(1)
    population = simulate_cohort(POPULATION, 5, PROTOCOL)
    alarms = {(change, size): 0 for change in CHANGES for size in SIZES}
    fitted: ResponseModel | None = None
    for run in range(arguments.runs):
        rows = rng.permutation(POPULATION)
        training = _cohort(population, rows[: arguments.training])
        if fitted is None or run % 10 == 0:
            fitted = fit_response_model(training, seed=run)[0]
        model = ResponseModel(with_profiles(fitted.bundle, training))
        for size in SIZES:
            new = _cohort(population, rows[arguments.training : arguments.training + size])
            for name, change in CHANGES.items():
                changed = replace(new, courses=CourseColumns.of_table(change(new.table, rng)))
                alarms[name, size] += bool(monitor(model, changed, seed=run).alarms)
    print(f"SIMULATED. Share of {arguments.runs} runs with an alarm; {arguments.training} training courses.")
    table = pd.DataFrame(
        [[alarms[name, size] / arguments.runs for size in SIZES] for name in CHANGES],
        index=list(CHANGES),
        columns=[f"{size} new" for size in SIZES],
    )
    print(table.to_string())


def _cohort(population: pd.DataFrame, rows: np.ndarray) -> Cohort:
    return cohort_from_frame(population.iloc[rows], PROTOCOL)


if __name__ == "__main__":
    main()
