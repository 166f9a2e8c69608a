"""The verbs: simulate a cohort as a data frame, with or without its known truth, or write it to a file.

Everything simulated carries ids that start with `simulated-`; a model trained on it says so everywhere.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from ketapredict.cohort.protocols import BUILT_IN, DEFAULT_PROTOCOL, Protocol
from ketapredict.simulate.columns import to_arrow, to_frame
from ketapredict.simulate.courses import simulate_chunks
from ketapredict.simulate.scenario import Scenario
from ketapredict.simulate.truth import true_probabilities

DEFAULT = BUILT_IN[DEFAULT_PROTOCOL]


def simulate_cohort(
    n_courses: int,
    seed: int,
    protocol: Protocol = DEFAULT,
    scale: str = "MADRS",
    n_sites: int = 6,
    **options: Any,
) -> pd.DataFrame:
    """Simulate courses, one patient each.

    Parameters
    ----------
    n_courses : int
        Number of rows, >= 1.
    seed : int
        The same seed gives the same frame.
    protocol : Protocol
        Any time points and outcome.
    scale : str
        Name of the rating scale.
    n_sites : int
        Number of sites, >= 1.
    **options
        The other fields of `Scenario`: setting, design, control, dropout...

    Returns
    -------
    pandas.DataFrame
        The cohort table as a file would hold it: canonical columns, yes and no as words, whole numbers
        as float64 where some are missing (NaN). Columns that the protocol or scale has no values for are
        absent; those of self-rated scales under 24 h are empty.

    Raises
    ------
    CohortError
        If there is no such scale.
    ValueError
        If an option is outside its range.
    """
    scenario = Scenario(protocol=protocol, scale=scale, n_sites=n_sites, **options)
    return pd.concat([to_frame(c.table) for c in simulate_chunks(scenario, n_courses, seed)], ignore_index=True)


def simulate_with_truth(
    scenario: Scenario, n_courses: int, seed: int, *, complete: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate the courses of a scenario with their known truth.

    Parameters
    ----------
    scenario : Scenario
    n_courses, seed : int
    complete : bool
        Whether scores in the table are those that would have been seen had none been missed.

    Returns
    -------
    table, truth : pandas.DataFrame
        The cohort table, and one row per course as `truth.true_probabilities` describes it.
    """
    tables, truths = [], []
    for chunk in simulate_chunks(scenario, n_courses, seed):
        if complete:
            names = [f"score_{point.name}" for point in scenario.protocol.time_points]
            chunk.table.update({name: chunk.hidden[f"complete_{name}"] for name in names})
        tables.append(to_frame(chunk.table))
        truths.append(to_frame(true_probabilities(chunk, scenario)))
    return pd.concat(tables, ignore_index=True), pd.concat(truths, ignore_index=True)


def write_cohort(scenario: Scenario, n_courses: int, seed: int, target: Path) -> None:
    """Write simulated courses to CSV or Parquet, chunk by chunk; the same seed gives the same bytes.

    Parameters
    ----------
    scenario : Scenario
    n_courses, seed : int
    target : Path
        Parquet where one of its endings is `.parquet`, else CSV.
    """
    with _TableFile(target) as courses:
        for chunk in simulate_chunks(scenario, n_courses, seed):
            courses.add(to_arrow(chunk.table))


def write_truth(scenario: Scenario, n_courses: int, seed: int, target: Path) -> None:
    """Write the known truth of the courses that `write_cohort` writes for the same arguments."""
    with _TableFile(target) as truths:
        for chunk in simulate_chunks(scenario, n_courses, seed):
            truths.add(to_arrow(true_probabilities(chunk, scenario)))


class _TableFile:
    """A CSV or Parquet file that grows by whole chunks; columns with gaps in one chunk are floats in all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer: Any = None

    def __enter__(self) -> "_TableFile":
        return self

    def __exit__(self, *_: object) -> None:
        if self.writer is not None:
            self.writer.close()

    def add(self, chunk: Any) -> None:
        import pyarrow as pa

        if self.writer is None:
            if ".parquet" in self.path.suffixes:
                import pyarrow.parquet as pq

                texts = [field.name for field in chunk.schema if pa.types.is_string(field.type)]
                words = [name for name in texts if name not in ("course_id", "patient_id")]
                self.writer = pq.ParquetWriter(self.path, chunk.schema, use_dictionary=words)
            else:
                from pyarrow import csv

                options = csv.WriteOptions(quoting_style="needed")
                self.writer = csv.CSVWriter(self.path, chunk.schema, write_options=options)
        self.writer.write_table(chunk)
