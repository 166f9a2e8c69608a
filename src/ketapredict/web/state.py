"""What one running server holds; pages and interfaces get it from the request."""

import threading
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from ketapredict.web.keys import Keys
from ketapredict.web.patient.entered import EnteredCourses
from ketapredict.web.searches import LastSearches
from ketapredict.web.served import Served
from ketapredict.web.settings import Settings
from ketapredict.web.store.database import Database
from ketapredict.web.store.events import SecurityLog
from ketapredict.web.store.recorder import Recorder


@dataclass(frozen=True)
class ServerState:
    """The parts of one server.

    What computes holds `computing`: side by side, threads of one process only take turns, and the turns cost more than
    the work. What waits (for the disk, for another) does not.
    """

    settings: Settings
    served: Served
    keys: Keys
    database: Database
    recorder: Recorder
    security: SecurityLog
    entered: EnteredCourses = field(default_factory=EnteredCourses)
    searches: LastSearches = field(default_factory=LastSearches)
    computing: threading.Lock = field(default_factory=threading.Lock)


def server_state(request: Request) -> ServerState:
    """Return the state of the server that got a request."""
    state: ServerState = request.app.state.server
    return state


async def _state(request: Request) -> ServerState:
    """Do the same as a dependency: what waits for nothing needs no thread."""
    return server_state(request)


State = Annotated[ServerState, Depends(_state)]
