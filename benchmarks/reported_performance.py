"""Is the performance that `train` reports the performance on new patients?

    .venv/bin/python benchmarks/reported_performance.py [--courses 300] [--landmark 24h] [--repetitions 100]
        [--repeats 2] [--new 100000] [--truth simulator] [--sites N] [--prior evidence]
        [--workers -1]

Many times over: draw a training cohort, cross-validate the whole procedure and fit the final model to all courses,
both exactly as `train` does with the same seed (but with 2 repeats of 5 folds, where `train` makes 10, for the time:
nine minutes on two cores), and measure the final model on 100,000 new patients. For each measure:
how often the value on the new patients is inside the reported 95% interval. Goal: at least 90 of 100 for AUC,
log-loss and calibration slope.

Training courses are those with the landmark's score and an outcome; who stopped is not among them. The new
patients to whom the reported figures refer are selected in the same way (`observed outcome`). Who stopped did
worse on average, so the figures of everyone (`complete outcome`: the outcome that would have been rated) are
another quantity; they stand beside it, held against the same intervals. With --truth logistic, curved, sparse or
null (`known_truth`) nobody stops, and the two are the same; the effects are drawn anew for each repetition.

The simulator's cohorts are spread over max(20, n / 5) sites, the new patients over a fifth of their number, so
that effects of single sites do not pass for error of the procedure (--sites 6 shows what few sites do: intervals
that draw patients and not sites leave out that sites differ).

Columns: mean reported and mean true value over repetitions; their difference with its standard error; the
standard deviation of the true values (each repetition has another model) and the mean width of the interval; how
often the true value is inside, and with which 95% interval (Clopper-Pearson) that share is known; how often it is
below and above. A value whose interval could not be given counts as not inside. The sampling error of 100,000
patients is about 0.002 in AUC and log-loss, 0.01 in intercept and slope.
"""

import argparse
import sys
import time
import warnings

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, parallel_config
from scipy import special
from scipy.stats import binomtest
from threadpoolctl import threadpool_limits
from truths import OUTCOME, SIMULATOR, TRUTHS, NewPatients, new_patients, training_cohort

from ketapredict.errors import TrainingError
from ketapredict.model.fit import fit_landmark, refuse_too_few, training_data
from ketapredict.model.prior import OWN_PRIOR, chosen_prior
from ketapredict.validate.cross_validation import MODEL, cross_validate
from ketapredict.validate.measures import MEASURES

SEED = 20261125
REPORTED = ("auc", "log_loss", "calibration_slope", "calibration_intercept", "scaled_brier")
OF_THE_GOAL = ("auc", "log_loss", "calibration_slope")
GOAL = 0.90
POPULATIONS = ("observed outcome", "complete outcome")


def repetition(arguments: argparse.Namespace, number: int, shared: NewPatients | None) -> list[dict[str, object]]:
    """Train once; return one row per population and measure, none where training refuses the cohort."""
    cohort = training_cohort(arguments.truth, arguments.courses, (SEED, number), arguments.landmark, arguments.sites)
    data = training_data(cohort, arguments.landmark, OUTCOME, evidence=arguments.evidence)
    try:
        refuse_too_few(data, arguments.landmark, OUTCOME)
    except TrainingError:
        return []
    new = shared or _new(arguments, number)
    position = cohort.protocol.landmarks.index(arguments.landmark)
    # The seeds of `train` with --seed <number>. One worker for each repetition: none inside it.
    with warnings.catch_warnings(), threadpool_limits(1), parallel_config("sequential"):
        warnings.simplefilter("ignore")
        model = fit_landmark(data, arguments.landmark, OUTCOME, np.random.default_rng([number, position]))
        rng = np.random.default_rng([number, position, 1])
        reported = cross_validate(data, arguments.landmark, arguments.repeats, rng).measures[MODEL]
        # `special.expit`: imported by its own name into a script, a ufunc does not reach the workers.
        p = special.expit(model.independent_log_odds(new.frame))
    rows = []
    for population, chosen in zip(POPULATIONS, (new.observed, np.ones(len(p), dtype=bool)), strict=True):
        for name in REPORTED:
            true = MEASURES[name].function(new.outcome[chosen], p[chosen], None)
            found = reported[name]
            row: dict[str, object] = {"population": population, "measure": MEASURES[name].label}
            row |= {"reported": found.estimate, "true": true, "low": found.low, "high": found.high}
            rows.append(row | {"trained on": len(data.labels)})
    return rows


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Return one row per population and measure."""
    rows = []
    for (population, measure), part in found.groupby(["population", "measure"], sort=False):
        difference = part["reported"] - part["true"]
        inside = (part["low"] <= part["true"]) & (part["true"] <= part["high"])
        below, above = int((part["true"] < part["low"]).sum()), int((part["true"] > part["high"]).sum())
        exact = binomtest(int(inside.sum()), len(part)).proportion_ci(0.95, "exact")
        rows.append(
            {
                "new patients": population,
                "measure": measure,
                "reported": f"{part['reported'].mean():.3f}",
                "true": f"{part['true'].mean():.3f}",
                "difference (SE)": f"{difference.mean():+.3f} ({difference.sem():.3f})",
                "SD of true": f"{part['true'].std(ddof=1):.3f}",
                "width": f"{(part['high'] - part['low']).mean():.3f}",
                "inside": f"{int(inside.sum())} of {len(part)}",
                "95% interval": f"{exact.low:.2f}-{exact.high:.2f}",
                "below, above": f"{below}, {above}",
            }
        )
    return pd.DataFrame(rows)


def verdict(found: pd.DataFrame) -> list[str]:
    """Say of each measure of the goal whether it is met, on the new patients that the figures refer to."""
    lines = []
    for name in OF_THE_GOAL:
        label = MEASURES[name].label
        part = found[(found["population"] == POPULATIONS[0]) & (found["measure"] == label)]
        share = ((part["low"] <= part["true"]) & (part["true"] <= part["high"])).mean()
        lines.append(f"{label}: inside in {share:.0%}; goal {GOAL:.0%}: {'met' if share >= GOAL else 'NOT met'}")
    return lines


def as_markdown(table: pd.DataFrame) -> str:
    """Return a table that can be pasted into a document."""
    lines = ["| " + " | ".join(table.columns) + " |", "|---" * table.shape[1] + "|"]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in table.itertuples(index=False)]
    return "\n".join(lines)


def _new(arguments: argparse.Namespace, number: int) -> NewPatients:
    return new_patients(arguments.truth, arguments.new, (SEED, number), arguments.landmark, with_probability=False)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--courses", type=int, default=300, help="courses of a training cohort")
    parser.add_argument("--landmark", default="24h")
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=2, help="of the 5-fold cross-validation")
    parser.add_argument("--new", type=int, default=100_000, help="new patients")
    parser.add_argument("--truth", default=SIMULATOR, choices=TRUTHS)
    parser.add_argument("--sites", type=int, help="sites of a simulated training cohort")
    parser.add_argument("--prior", default=OWN_PRIOR, help="as of `train`")
    parser.add_argument("--workers", type=int, default=-1)
    arguments = parser.parse_args()
    arguments.evidence = chosen_prior(arguments.prior, OUTCOME)

    if arguments.repetitions < 2:
        parser.error("expected at least two repetitions: there is no standard error from one")
    start = time.monotonic()
    # Of the simulator they are drawn once; numbers of repetitions count from 1.
    shared = _new(arguments, 0) if arguments.truth == SIMULATOR else None
    jobs = (delayed(repetition)(arguments, number, shared) for number in range(1, arguments.repetitions + 1))
    rows: list[dict[str, object]] = []
    refused = 0
    for done, found in enumerate(Parallel(n_jobs=arguments.workers, return_as="generator")(jobs), 1):
        rows += found
        refused += not found
        minutes = (time.monotonic() - start) / 60
        print(f"\r{done} of {arguments.repetitions} repetitions, {minutes:.1f} min", end="", file=sys.stderr)
    print(file=sys.stderr)
    table = pd.DataFrame(rows)
    print(
        f"{arguments.truth}, landmark {arguments.landmark}: {arguments.repetitions} cohorts of {arguments.courses} "
        f"courses, of which {table['trained on'].mean():.0f} on average could be trained on; {arguments.repeats} x "
        f"5-fold; {arguments.new:,} new patients" + (f"; {refused} cohorts refused by training" if refused else "")
    )
    print(f"\n{as_markdown(summary(table))}\n")
    print("\n".join(verdict(table)))


if __name__ == "__main__":
    main()
