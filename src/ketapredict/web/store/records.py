"""What an auditor reads: shown predictions and security events, filtered, newest first, and their removal in time."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, delete, func, insert, select, true

from ketapredict.errors import ServerError
from ketapredict.web.store.database import Database
from ketapredict.web.store.schema import judgements, purges, security_events, shown_predictions

RECORDS: dict[str, Table] = {
    "predictions": shown_predictions,
    "judgements": judgements,
    "events": security_events,
}
PAGE_ROWS = 100
_CHUNK_ROWS = 2000
# What has just happened cannot be removed, by whatever retention time.
SHORTEST_RETENTION_DAYS = 30
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records.

    Attributes
    ----------
    user_name, course_id : str
        Exactly that one; empty for all. Events are of no course.
    inputs_hmac : str
        Of exactly these inputs of the course: an entered patient may have the id of another. Empty for all.
    first, last : date or None
        Days in UTC, both included.
    """

    user_name: str = ""
    course_id: str = ""
    inputs_hmac: str = ""
    first: date | None = None
    last: date | None = None

    def conditions(self, table: Table) -> ColumnElement[bool]:
        """Return it as a condition on a table."""
        found: list[ColumnElement[bool]] = [true()]
        if self.user_name:
            found.append(table.c.user_name == self.user_name)
        if self.course_id and "course_id" in table.c:
            found.append(table.c.course_id == self.course_id)
        if self.inputs_hmac and "inputs_hmac" in table.c:
            found.append(table.c.inputs_hmac == self.inputs_hmac)
        if self.first:
            found.append(table.c.at >= datetime.combine(self.first, time(), UTC))
        if self.last:
            found.append(table.c.at <= datetime.combine(self.last, time.max, UTC))
        return and_(*found)


def page_of(
    database: Database, table: Table, wanted: Filter, before: int | None = None, rows: int = PAGE_ROWS
) -> list[dict[str, Any]]:
    """Return the newest records before an id, in descending order."""
    condition = wanted.conditions(table)
    if before is not None:
        condition = and_(condition, table.c.id < before)
    with database.read() as connection:
        found = connection.execute(select(table).where(condition).order_by(table.c.id.desc()).limit(rows))
        return [dict(row) for row in found.mappings()]


def count_of(database: Database, table: Table, wanted: Filter) -> int:
    """Return how many records there are."""
    count = select(func.count()).select_from(table).where(wanted.conditions(table))
    with database.read() as connection:
        return int(connection.execute(count).scalar_one())


def csv_of(database: Database, table: Table, wanted: Filter) -> Iterator[str]:
    """Yield records as CSV, a piece at a time: neither memory nor the database's lock is held for all of them."""
    yield ",".join(column.name for column in table.columns) + "\n"
    before = None
    while rows := page_of(database, table, wanted, before, _CHUNK_ROWS):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([_cell(value) for value in row.values()] for row in rows)
        yield text.getvalue()
        before = rows[-1]["id"]


def purge(database: Database, days: int, user_name: str) -> tuple[int, int, int]:
    """Remove records older than a retention time; the removal is recorded.

    Parameters
    ----------
    database : Database
    days : int
        At least 30.
    user_name : str
        Who does it.

    Returns
    -------
    predictions, events, judgements : int
        How many were removed.

    Raises
    ------
    ServerError
        If the retention time is under 30 days.
    """
    if days < SHORTEST_RETENTION_DAYS:
        raise ServerError(f"Expected a retention time of {SHORTEST_RETENTION_DAYS} days or more; found less.")
    now = datetime.now(UTC)
    cutoff = now - timedelta(days=days)
    counts = {}
    with database.write() as connection:
        for name, table in RECORDS.items():
            old = select(func.count()).select_from(table).where(table.c.at < cutoff)
            counts[name] = int(connection.execute(old).scalar_one())
        connection.execute(insert(purges).values(at=now, cutoff=cutoff, user_name=user_name[:64], **counts))
        for table in RECORDS.values():
            connection.execute(delete(table).where(table.c.at < cutoff))
    return counts["predictions"], counts["events"], counts["judgements"]


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"  # a spreadsheet would run it
    return value
