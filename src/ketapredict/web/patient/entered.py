"""Courses that users entered: in memory alone, for the one who entered them, until they are too old or too many."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from ketapredict.cohort.cohort import Cohort

MOST_COURSES = 500
HOURS_KEPT = 12
_SECONDS = 3600


class EnteredCourses:
    """Courses by random tokens; nothing of them reaches a disk, and a restart forgets them.

    Parameters
    ----------
    clock : callable
        Seconds; only differences count.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._courses: OrderedDict[str, tuple[float, str, Cohort]] = OrderedDict()

    def add(self, user_name: str, course: Cohort) -> str:
        """Keep one course and return its token, which tells nothing."""
        token = secrets.token_hex(12)
        with self._lock:
            self._forget_old()
            self._courses[token] = (self._clock(), user_name, course)
            while len(self._courses) > MOST_COURSES:
                self._courses.popitem(last=False)
        return token

    def course(self, user_name: str, token: str) -> Cohort | None:
        """Return a course to the one who entered it; to others it does not exist."""
        with self._lock:
            self._forget_old()
            found = self._courses.get(token)
        return found[2] if found and found[1] == user_name else None

    def _forget_old(self) -> None:
        oldest = self._clock() - HOURS_KEPT * _SECONDS
        while self._courses and next(iter(self._courses.values()))[0] < oldest:
            self._courses.popitem(last=False)
