"""How fast a cohort is scored on Spark, beside one machine, with the same values; and what 100,000,000 courses need.

    .venv/bin/python benchmarks/scoring_spark.py [--courses 1000000] [--folder DIR]

Both engines score the same simulated courses from Parquet to Parquet in one run, on local Spark with the machine's
cores, and the outputs are compared cell by cell. Then the same courses go through a data frame whose rows nobody keeps,
by Arrow batches and by pandas. pyspark is the extra `spark`; Java 17 is needed.
"""

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from scoring import ROOT, write_courses

from ketapredict.cohort.read import read_cohort
from ketapredict.explain.scored import columns_of
from ketapredict.fitting import fit_response_model
from ketapredict.response_model import ResponseModel
from ketapredict.score.files import score_file
from ketapredict.score.spark import score_with_spark, scored_frame
from ketapredict.score.spark_session import quiet_spark, spark_session
from ketapredict.tracking.rows import score_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

sys.path += [str(folder) for folder in (ROOT / ".extra").glob("spark")]
PAPER_ROWS = 100_000_000
PAPER_CORES = (8, 32, 128)
LARGEST_DIFFERENCE = 1e-9
_TEXTS = ("course_id", "landmark", "outcome", "notes", "trained_on", "model_name", "model_version")
_SPARK_TYPES = dict.fromkeys(_TEXTS, "string") | {"in_scope": "boolean"}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--courses", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="For the files; default: a temporary one.")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    courses = arguments.courses
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name, quiet_spark():
        folder = Path(name)
        model, _ = fit_response_model(read_cohort(ROOT / "data" / "sample-cohort.csv"))
        model.save(folder / "model")
        source = folder / "courses.parquet"
        write_courses(source, courses)
        seconds = {"local": took(lambda: score_file(source, folder / "local.parquet", model))}
        start = time.perf_counter()
        with spark_session() as session:
            session.range(1).count()
            started = time.perf_counter() - start
            seconds["spark, workers starting"] = took(lambda: score_with_spark(source, folder / "one.parquet", model))
            seconds["spark"] = took(lambda: score_with_spark(source, folder / "two.parquet", model))
            frame = session.read.parquet(str(source))
            frames = {
                "data frame, Arrow batches": lambda: use(scored_frame(frame, model)),
                "data frame, pandas": lambda: use(by_pandas(frame, model, folder / "model")),
            }
            for score in frames.values():
                score()  # the JVM compiles what it has run often
            seconds |= {name: took(score) for name, score in frames.items()}
            memory = workers_memory()
        print(f"| {courses:,} courses | rows a second | seconds | processor seconds |\n|---|---|---|---|")
        for engine, (wall, processor) in seconds.items():
            print(f"| {engine} | {courses / wall:,.0f} | {wall:.1f} | {processor:.1f} |")
        print(f"\nSpark starts in {started:.1f} s; memory of its Python workers at most {memory:.0f} MiB each.")
        print(compared(folder / "local.parquet", folder / "two.parquet"))
        sizes = [source.stat().st_size, sum(part.stat().st_size for part in (folder / "two.parquet").iterdir())]
        print_paper(courses / seconds["spark"][1], [size / courses for size in sizes])


def took(do: Callable[[], object]) -> tuple[float, float]:
    """Return seconds, and processor seconds of this process and of Spark's."""
    start, before = time.perf_counter(), processor_seconds()
    do()
    return time.perf_counter() - start, processor_seconds() - before


def processor_seconds() -> float:
    """Return the processor time of this process and of all that it started and that still run."""
    family, found = {os.getpid()}, 0
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(process.name) in family or int(fields[1]) in family:
            family.add(int(process.name))
            found += sum(int(ticks) for ticks in fields[11:13])
    return found / os.sysconf("SC_CLK_TCK")


def use(frame: "DataFrame") -> None:
    """Compute all rows of a data frame and keep none."""
    frame.write.format("noop").mode("overwrite").save()


def by_pandas(frame: "DataFrame", model: ResponseModel, folder: Path) -> "DataFrame":
    """Score by pandas, as docs/scoring.md shows, all columns."""
    columns = ", ".join(f"{name} {_SPARK_TYPES.get(name, 'double')}" for name in columns_of(model.concepts, "all"))
    names = columns_of(model.concepts, "all")
    place = str(folder)

    def scored(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        loaded = ResponseModel.load(place)
        for cells in frames:
            yield score_rows(loaded, cells)[names]

    return frame.mapInPandas(scored, columns)


def workers_memory() -> float:
    """Return the largest peak of a Python worker's memory, MiB; its processes outlive the tasks."""
    peaks = [0.0]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"pyspark.daemon" in (process / "cmdline").read_bytes():
                status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
                peaks.append(int(status["VmHWM"].split()[0]) / 1024)
        except (OSError, KeyError):
            continue
    return max(peaks)


def compared(local: Path, spark: Path) -> str:
    """Compare the outputs cell by cell; returns what was found."""
    one, other = (
        pq.read_table(path).to_pandas().sort_values("course_id", ignore_index=True) for path in (local, spark)
    )
    numbers = [name for name in one if one[name].dtype == float]
    largest = max(float(np.nan_to_num(np.abs(one[name].to_numpy() - other[name].to_numpy())).max()) for name in numbers)
    missing = all((one[name].isna() == other[name].isna()).all() for name in numbers)
    texts = one.drop(columns=numbers).astype(str).equals(other.drop(columns=numbers).astype(str))
    if len(one) != len(other) or largest > LARGEST_DIFFERENCE or not missing or not texts:
        raise SystemExit("The outputs of the two engines differ.")
    return f"Both outputs have {len(one):,} rows; the largest difference of a number is {largest:g}."


def print_paper(rate_of_core: float, bytes_a_row: list[float]) -> None:
    """Print what many courses would need at this rate."""
    hours = PAPER_ROWS / rate_of_core / 3600
    read, written = (PAPER_ROWS * size / 1e9 for size in bytes_a_row)
    print(f"\n{PAPER_ROWS:,} courses at {rate_of_core:,.0f} rows a processor second: {hours:.1f} core hours,")
    print(f"{read:.0f} GB read, {written:.0f} GB written.\n\n| cores | minutes |\n|---|---|")
    for cores in PAPER_CORES:
        print(f"| {cores} | {hours * 60 / cores:.1f} |")


if __name__ == "__main__":
    main()
