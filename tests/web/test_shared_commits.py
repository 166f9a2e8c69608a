"""Writes that share a transaction: all on disk when they return, and one's failure is its own."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import SQLAlchemyError

from ketapredict.web.store.records import Filter, page_of
from ketapredict.web.store.schema import security_events
from ketapredict.web.store.shared_commits import SharedCommits

WRITERS = 24


def event(name: str | None) -> dict[str, object]:
    return {"at": datetime.now(UTC), "kind": "signed in", "user_name": name, "address": "a", "route": "GET /"}


def names(database) -> list[str]:
    return [row["user_name"] for row in page_of(database, security_events, Filter(), rows=1000)]


@pytest.fixture
def slow_disk(database, monkeypatch):
    """Count transactions; the first one waits until all other writers have come."""
    written, come, write = [], threading.Semaphore(0), database.write

    @contextmanager
    def counted():
        with write() as connection:
            if not written:
                for _ in range(WRITERS - 1):
                    come.acquire()
            written.append(1)
            yield connection

    monkeypatch.setattr(database, "write", counted)
    return written, come


def test_what_waits_is_written_together_and_every_row_once(database, slow_disk):
    written, come = slow_disk
    commits = SharedCommits(database)

    def insert(number: int) -> list[str]:
        come.release()
        commits.insert(security_events, [event(f"w{number}-{row}") for row in range(3)])
        return names(database)

    with ThreadPoolExecutor(WRITERS) as pool:
        seen = list(pool.map(insert, range(WRITERS)))
    for number, stored in enumerate(seen):
        assert {f"w{number}-{row}" for row in range(3)} <= set(stored)  # on return they are there
    assert sorted(names(database)) == sorted(f"w{n}-{row}" for n in range(WRITERS) for row in range(3))
    assert len(written) < WRITERS / 2


def test_what_cannot_be_written_fails_alone(database, slow_disk):
    _, come = slow_disk
    commits = SharedCommits(database)

    def insert(number: int) -> bool:
        come.release()
        try:
            commits.insert(security_events, [event(f"w{number}"), event(None if number % 4 == 1 else "second")])
        except SQLAlchemyError:
            return False
        return True

    with ThreadPoolExecutor(WRITERS) as pool:
        done = list(pool.map(insert, range(WRITERS)))
    assert done == [number % 4 != 1 for number in range(WRITERS)]
    assert sorted(name for name in names(database) if name != "second") == sorted(
        f"w{number}" for number in range(WRITERS) if done[number]
    )
