"""Mappings: how a clinic's own tables become the cohort table."""

from dataclasses import dataclass

from ketapredict.cohort.cells import MISSING_MARKERS
from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.cohort.derivations import Derivation
from ketapredict.cohort.expressions import Expression
from ketapredict.cohort.protocols import BASELINE, PRE, Protocol
from ketapredict.cohort.sources import refuse_later_sources
from ketapredict.errors import MappingError


@dataclass(frozen=True, slots=True)
class Join:
    """A further table whose row is added to each row of the main table with the same key.

    `where` says which rows of it count; all without it.
    """

    table: str
    left: tuple[str, ...]
    right: tuple[str, ...]
    optional: bool = False
    where: Expression | None = None


@dataclass(frozen=True, slots=True)
class Visits:
    """Where a table with one row a visit says when the visit was, and its score.

    Attributes
    ----------
    score : Derivation
    labels : tuple of str
        Columns of the visit's label, empty where there is none; of several those that are present are joined
        with ` / `.
    points : tuple of (str, str)
        Label and the time point (or `baseline`) that it stands for.
    baseline : Expression or None
        Which rows are the baseline, whatever their label and time.
    days, hours : str
        Column with the time since the start of infusion 1.
    study_day : str
        Column with the day of CDISC: the day of infusion 1 is day 1, the day before it day -1.
    date, start : str
        Columns with the date of the visit and of infusion 1, instead of days.
    date_format : str or None
    item, value : str
        Files with one row for each item of a visit: the column that names the item and the one with its value.
        The items' names are then names of columns.
    """

    score: Derivation
    labels: tuple[str, ...] = ()
    points: tuple[tuple[str, str], ...] = ()
    baseline: Expression | None = None
    days: str = ""
    hours: str = ""
    study_day: str = ""
    date: str = ""
    start: str = ""
    date_format: str | None = None
    item: str = ""
    value: str = ""

    @property
    def times(self) -> tuple[str, ...]:
        """Columns that say when the visit was."""
        return tuple(name for name in (self.days, self.hours, self.study_day, self.date, self.start) if name)

    @property
    def has_time(self) -> bool:
        """Whether the time of a visit is known."""
        return bool(self.times)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the source columns that it uses, those of the score apart."""
        flags = self.baseline.columns if self.baseline else ()
        return tuple(name for name in (*self.labels, *flags, *self.times, self.item, self.value) if name)


@dataclass(frozen=True, slots=True)
class CourseBlock:
    """One course that a patient can have: which rows, its id, its arm, its own columns and visits."""

    columns: dict[str, Derivation]
    where: Expression | None = None
    visits: Visits | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """A whole mapping; see the comments in `data/mappings/` for its use.

    Attributes
    ----------
    name : str
        Name of its file.
    tables : tuple of (str, str)
        Name and file of each table, relative to the cohort argument; the first is the main table.
        Empty: the cohort argument itself is the only table.
    joins : tuple of Join
    columns : dict of str to Derivation
        Recipes for all blocks, constants included.
    courses : tuple of CourseBlock
    extras : tuple of Column
    missing : tuple of str
        Cells that mean missing.
    decimal_comma : bool or None
        None: as found in each file.
    same_names : bool
        Whether source columns that already carry a contract name are taken as they are.
    """

    name: str
    tables: tuple[tuple[str, str], ...]
    joins: tuple[Join, ...]
    columns: dict[str, Derivation]
    courses: tuple[CourseBlock, ...]
    extras: tuple[Column, ...]
    missing: tuple[str, ...] = MISSING_MARKERS
    decimal_comma: bool | None = None
    same_names: bool = False


def check_against_protocol(mapping: Mapping, protocol: Protocol) -> dict[str, Column]:
    """Check that a mapping fits a protocol and return the declarations of all columns.

    Raises
    ------
    MappingError
        If it names a column or time point that the protocol does not have, or takes a column at a visit
        after the moment at which the column counts as known.
    LeakageError
        If an extra covariate has the name of a column of the cohort table, or a column is made from a source
        column that is a score of a later moment.
    """
    declared = declared_columns(protocol, mapping.extras)
    points = (BASELINE, *protocol.names)
    for extra in mapping.extras:
        if extra.known_at not in (PRE, *protocol.names):
            raise MappingError(
                f"{mapping.name}: [extra.{extra.name}]: expected known_at out of pre, {', '.join(protocol.names)} "
                f"(protocol {protocol.name})."
            )
    for block in mapping.courses:
        columns = mapping.columns | block.columns
        unknown = [column for column in columns if column not in declared]
        if unknown:
            raise MappingError(
                f"{mapping.name}: the cohort table of protocol {protocol.name} has no column "
                f"{', '.join(unknown)}. Declare it under [extra.<name>], or use one of: {', '.join(declared)}."
            )
        for column, derivation in columns.items():
            _check_visit(mapping.name, column, derivation, declared[column], block, protocol)
        same = {column: Derivation(source=column) for column in declared} if mapping.same_names else {}
        visit_scores = (*block.visits.score.columns, block.visits.value) if block.visits else ()
        refuse_later_sources(mapping.name, same | columns, visit_scores, declared, protocol)
        if block.visits is not None:
            strange = sorted({point for _, point in block.visits.points} - set(points))
            if strange:
                raise MappingError(
                    f"{mapping.name}: [course.visits.points]: expected points out of {', '.join(points)} "
                    f"(protocol {protocol.name}); not known: {', '.join(strange)}."
                )
            visited = {point for _, point in block.visits.points} | ({BASELINE} if block.visits.baseline else set())
            if block.visits.baseline and BASELINE in {point for _, point in block.visits.points}:
                raise MappingError(
                    f"{mapping.name}: [course.visits]: expected the baseline by its label (points) or by a condition "
                    "(baseline), found both."
                )
            mapped = {f"score_{point}" for point in visited} & set(columns)
            if mapped:
                raise MappingError(
                    f"{mapping.name}: expected {', '.join(sorted(mapped))} from a column or from a visit, found both."
                )
    return declared


def _check_visit(
    name: str, column: str, derivation: Derivation, declared: Column, block: CourseBlock, protocol: Protocol
) -> None:
    if not derivation.visit:
        return
    if block.visits is None:
        raise MappingError(f"{name}: {column}: visit is for tables with one row a visit ([course.visits]).")
    if derivation.visit not in (BASELINE, *protocol.names):
        raise MappingError(
            f"{name}: {column}: expected visit out of {BASELINE}, {', '.join(protocol.names)}; "
            f"found {derivation.visit}."
        )
    measured = 0 if derivation.visit == BASELINE else protocol.position(derivation.visit)
    known = protocol.position(declared.known_at) if declared.known_at in (PRE, *protocol.names) else 0
    if measured > known:
        raise MappingError(
            f"{name}: {column} counts as known at {declared.known_at} but is taken at the later visit "
            f"{derivation.visit}; a model would use what is not known yet."
        )
