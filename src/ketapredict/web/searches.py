"""What each user last searched for in the list, so that the way back from a patient leads there: in memory alone."""

import threading
from collections import OrderedDict
from collections.abc import Mapping

from ketapredict.web.accounts.roles import User

MOST_USERS = 500


class LastSearches:
    """The last search of each session; no address holds it, for it may name a course."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._searches: OrderedDict[tuple[str, str], dict[str, str]] = OrderedDict()

    def keep(self, user: User, entered: Mapping[str, str]) -> None:
        """Keep what a user's form sent."""
        with self._lock:
            self._searches[user.name, user.binding] = dict(entered)
            self._searches.move_to_end((user.name, user.binding))
            while len(self._searches) > MOST_USERS:
                self._searches.popitem(last=False)

    def last(self, user: User) -> dict[str, str]:
        """Return what the user's form sent last; empty where there was none."""
        with self._lock:
            return dict(self._searches.get((user.name, user.binding), {}))
