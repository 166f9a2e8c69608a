"""Writes of several requests in one transaction: what waits while one is written to disk goes there with the next."""

import threading
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, insert

from ketapredict.web.store.database import Database


@dataclass(slots=True)
class _Write:
    table: Table
    rows: list[dict[str, Any]]
    is_done: bool = False
    error: BaseException | None = None


class SharedCommits:
    """Inserts rows; threads that insert at the same time share the wait for the disk.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Write] = []
        self._queue, self._writing = threading.Lock(), threading.Lock()

    def insert(self, table: Table, rows: list[dict[str, Any]]) -> None:
        """Insert rows, all or none; on return they are on disk. Raises what the database raises of these rows."""
        own = _Write(table, rows)
        with self._queue:
            self._waiting.append(own)
        with self._writing:
            # Whoever wrote before may have taken these along.
            if not own.is_done:
                with self._queue:
                    together, self._waiting = self._waiting, []
                self._write(together)
        if own.error is not None:
            raise own.error

    def _write(self, together: list[_Write]) -> None:
        try:
            with self._database.write() as connection:
                for one in together:
                    connection.execute(insert(one.table), one.rows)
        except BaseException as error:
            if isinstance(error, Exception) and len(together) > 1:
                # What one cannot write must not be the others' failure.
                for one in together:
                    self._write([one])
                return
            for one in together:
                one.error = error
        for one in together:
            one.is_done = True
