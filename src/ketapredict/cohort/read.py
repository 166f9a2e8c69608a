"""Files into a cohort."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ketapredict.cohort.arrow_cells import refuse_unreadable
from ketapredict.cohort.cells import Cells, columns_of, tidied
from ketapredict.cohort.cohort import SIMULATED_NOTICE, Cohort, Counts, Source, holds_simulated
from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.cohort.observed import Observed
from ketapredict.cohort.outcomes import remission_cuts
from ketapredict.cohort.protocols import DEFAULT_PROTOCOL, Protocol, load_protocol
from ketapredict.cohort.raw_courses import NO_FIELD, RawCourses
from ketapredict.cohort.rejects import WHOLE_ROW, RejectLog
from ketapredict.cohort.tables import read_table
from ketapredict.cohort.validation import refuse_unknown_columns, validate
from ketapredict.errors import CohortError

if TYPE_CHECKING:
    from ketapredict.cohort.mapping import Mapping


def read_cohort(
    path: str | Path,
    mapping: "str | Path | Mapping | None" = None,
    protocol: str | Path | Protocol = DEFAULT_PROTOCOL,
    *,
    extras: tuple[Column, ...] = (),
    show_values: bool = False,
) -> Cohort:
    """Read and validate a cohort.

    Parameters
    ----------
    path : str or Path
        A file in the form of the cohort table; with a mapping any file, or a folder of files.
    mapping : str, Path, Mapping or None
        How the files become the cohort table.
    protocol : str, Path or Protocol
        Name of a built-in protocol, a TOML file, or a protocol.
    extras : tuple of Column
        Declarations of extra covariates that a model brings along; a table in the contract's form may
        have these columns too.
    show_values : bool
        Whether the rejects get a further column `found` with the offending cells: patient data.

    Returns
    -------
    Cohort
        Perhaps with no accepted course; `rejects` says why.

    Raises
    ------
    FileError, MappingError, ProtocolError, CohortError
        If the files, the mapping or the protocol cannot be used at all.
    """
    path = Path(path)
    if not isinstance(protocol, Protocol):
        protocol = load_protocol(protocol)
    if isinstance(mapping, (str, Path)):
        # What reads mappings is much, and a table in the contract's form needs none of it.
        from ketapredict.cohort.mapping_file import load_mapping

        mapping = load_mapping(mapping)
    if mapping is not None:
        extras = merged_extras(extras, mapping)
    raw = raw_courses(path, mapping, protocol, extras)
    refuse_no_course(raw, path)
    return cohort_of(raw, protocol, extras, show_values=show_values)


def raw_courses(path: Path, mapping: "Mapping | None", protocol: Protocol, extras: tuple[Column, ...]) -> RawCourses:
    """Read the files of a cohort, before its own rules; `extras` are those of the mapping too."""
    if mapping is None:
        return _contract_table(path, protocol, extras)
    from ketapredict.cohort.reshape import apply_mapping

    return apply_mapping(mapping, path, protocol)


def refuse_no_course(raw: RawCourses, path: Path) -> None:
    """Raise CohortError if no row became a course."""
    if not len(raw.rows):
        raise CohortError(
            f"{path.name}: no row became a course; {raw.filtered} rows were left out by the mapping's conditions "
            f"(where), {raw.unmatched} found no partner, course or time point. Check the mapping."
        )


def cohort_from_frame(frame: pd.DataFrame, protocol: Protocol, extras: tuple[Column, ...] = ()) -> Cohort:
    """Validate a table in the form of the cohort table, by the rules of every other way in.

    Rows are numbered from 1. As in a file, blanks around text do not count, and what marks a missing cell there
    marks one here.

    Parameters
    ----------
    frame : pandas.DataFrame
    protocol : Protocol
    extras : tuple of Column

    Raises
    ------
    CohortError
        If columns are unknown, or required ones absent.
    """
    refuse_unknown_columns([str(name) for name in frame.columns], declared_columns(protocol, extras), "The table")
    cells = columns_of(frame.copy())
    if len(cells) < frame.shape[1]:
        raise CohortError("The table: expected each column once; found one of the same name again. Leave one out.")
    return cohort_from_cells(cells, len(frame), protocol, extras)


def cohort_from_cells(
    columns: dict[str, Cells], count: int, protocol: Protocol, extras: tuple[Column, ...] = ()
) -> Cohort:
    """Validate columns that are declared ones; otherwise as `cohort_from_frame`, of which it is the greater part.

    Parameters
    ----------
    columns : dict of str to array
        (count,) each; whoever calls gives them away.
    count : int
        Courses.
    protocol : Protocol
    extras : tuple of Column

    Raises
    ------
    CohortError
        If required columns are absent.
    """
    cells = {name: tidied(column) for name, column in columns.items()}
    raw = RawCourses(cells, np.arange(1, count + 1), RejectLog(), used=count, simulated=holds_simulated(cells))
    return cohort_of(raw, protocol, extras)


def validated(
    raw: RawCourses, protocol: Protocol, extras: tuple[Column, ...], *, show_values: bool = False
) -> tuple[Cohort, Observed]:
    """Turn raw courses into a cohort, which has no notices but those of reading yet, and what was observed of it."""
    courses, observed = validate(raw, protocol, extras)
    broken = raw.log.broken(len(raw.rows))
    source_rows = raw.used + raw.filtered + raw.unmatched
    n_broken = int(broken.sum())
    counts = Counts(
        source_rows,
        raw.used,
        raw.filtered,
        raw.unmatched,
        len(broken),
        len(broken) - n_broken,
        n_broken,
    )
    cohort = Cohort(
        courses.some(~broken) if n_broken else courses,
        raw.rows[~broken] if n_broken else raw.rows,
        protocol,
        extras,
        raw.log.frame(courses.cells("course_id"), show_values=show_values),
        counts,
        tuple(raw.notices),
        raw.sources,
        raw.simulated,
    )
    return cohort, replace(observed, in_remission=_already_in_remission(cohort), simulated=cohort.simulated)


def told_of(cohort: Cohort, observed: Observed) -> tuple[str, ...]:
    """Return all notices of a cohort of which this was observed."""
    marked = (SIMULATED_NOTICE,) if observed.simulated else ()
    return (*marked, *cohort.notices, *observed.notices(cohort.protocol))


def cohort_of(raw: RawCourses, protocol: Protocol, extras: tuple[Column, ...], *, show_values: bool = False) -> Cohort:
    """Turn raw courses into a cohort; parameters and errors are those of `read_cohort`."""
    cohort, observed = validated(raw, protocol, extras, show_values=show_values)
    return replace(cohort, notices=told_of(cohort, observed))


def _contract_table(path: Path, protocol: Protocol, extras: tuple[Column, ...]) -> RawCourses:
    """Read a file that already has the columns of the cohort table."""
    table = read_table(path)
    refuse_unknown_columns(list(table.frame.columns), declared_columns(protocol, extras), table.name)
    refuse_unreadable(table.unreadable, table.frame.columns, table.name)
    log = RejectLog()
    ragged = len(table.ragged)
    log.add(np.arange(ragged) + len(table.frame), table.ragged, WHOLE_ROW, "fields", NO_FIELD)
    frame = table.frame
    if ragged:
        frame = frame.reindex(range(len(frame) + ragged))
    return RawCourses(
        columns_of(frame),
        np.concatenate([table.rows, table.ragged]),
        log,
        used=table.row_count,
        decimal_commas=frozenset(frame.columns) if table.decimal_comma else frozenset(),
        notices=[f"{table.name}: read with {', '.join(table.notices)}"] if table.notices else [],
        sources=(Source(table.name, table.sha256, table.row_count),),
        simulated=holds_simulated(table.frame),
    )


def merged_extras(extras: tuple[Column, ...], mapping: "Mapping") -> tuple[Column, ...]:
    """Join the declarations of a model and of a mapping, which must agree on what a column is."""
    known = {column.name: column for column in extras}
    for column in mapping.extras:
        other = known.setdefault(column.name, column)
        if (other.kind, other.levels, other.unit, other.known_at) != (
            column.kind,
            column.levels,
            column.unit,
            column.known_at,
        ):
            raise CohortError(
                f"{mapping.name}: [extra.{column.name}] has another kind, levels, unit or known_at than in the model. "
                "Expected the same declaration."
            )
    return tuple(known.values())


def _already_in_remission(cohort: Cohort) -> int:
    if not len(cohort):
        return 0
    return int(np.sum(cohort.courses.number("score_baseline") <= remission_cuts(cohort.courses)))
