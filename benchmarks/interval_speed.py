"""What intervals and scope cost when a batch is scored: the same courses with and without, in one run.

    .venv/bin/python benchmarks/interval_speed.py [--courses 100000] [--rounds 5]

Trains on the sample cohort, scores it many times over, turn by turn with and without uncertainty and scope,
and prints the best time of each (processor seconds on one core: what else runs does not count), their ratio
(goal: at least 0.5), and the size of what the bundle stores.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.cohort.read import read_cohort
from ketapredict.fitting import fit_response_model
from ketapredict.response_model import ResponseModel

ROOT = Path(__file__).resolve().parents[1]


def without(model: ResponseModel, *names: str) -> ResponseModel:
    """Return the model with parts of every landmark left out."""
    landmarks = tuple(replace(found, **dict.fromkeys(names)) for found in model.bundle.landmarks)
    return ResponseModel(replace(model.bundle, landmarks=landmarks))


def main() -> None:
    """Print times, ratios and sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--courses", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    sample = read_cohort(ROOT / "data" / "sample-cohort.csv")
    model, _ = fit_response_model(sample)
    chosen = np.resize(np.arange(len(sample)), arguments.courses)
    table = sample.table.iloc[chosen].reset_index(drop=True)
    table["course_id"] = pd.Series([f"simulated-{number}" for number in range(len(table))], dtype="str")
    cohort = replace(sample, courses=CourseColumns.of_table(table), rows=np.arange(1, len(table) + 1))
    variants = {
        "with intervals and scope": model,
        "with intervals": without(model, "scope"),
        "without": without(model, "scope", "uncertainty"),
    }
    for landmark in model.landmarks:
        best = dict.fromkeys(variants, np.inf)
        for _ in range(arguments.rounds):
            for name, variant in variants.items():
                best[name] = min(best[name], _seconds(variant, cohort, landmark))
        columns = len(next(m for m in model.bundle.landmarks if m.landmark == landmark).columns)
        print(f"{landmark} ({columns} columns): " + ", ".join(f"{k} {v:.2f} s" for k, v in best.items()), end="; ")
        fast = best["without"]
        print(f"speed ratio {fast / best['with intervals']:.2f}, with scope {fast / best[next(iter(best))]:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model")
        content = (Path(folder) / "model" / "model.json").read_text()
        for plain in json.loads(content)["landmarks"]:
            sizes = {name: len(json.dumps(plain[name], indent=1)) / 1000 for name in ("uncertainty", "scope", "design")}
            print(plain["landmark"], ", ".join(f"{name} {size:.1f} kB" for name, size in sizes.items()))
        print(f"model.json in all: {len(content) / 1000:.0f} kB")


def _seconds(model: ResponseModel, cohort: Cohort, landmark: str) -> float:
    with threadpool_limits(1):
        start = time.process_time()
        model.score(cohort, landmark)
        return time.process_time() - start


if __name__ == "__main__":
    main()
