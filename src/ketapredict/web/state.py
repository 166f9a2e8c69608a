"""What one running server holds; pages and interfaces get it from the request."""

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
    """The parts of one server."""

    settings: Settings
    served: Served
    keys: Keys
    database: Database
    recorder: Recorder
    security: SecurityLog
    entered: EnteredCourses = field(default_factory=EnteredCourses)
    searches: LastSearches = field(default_factory=LastSearches)


def server_state(request: Request) -> ServerState:
    """Return the state of the server that got a request."""
    state: ServerState = request.app.state.server
    return state


async def _state(request: Request) -> ServerState:
    """Do the same as a dependency: what waits for nothing needs no thread."""
    return server_state(request)


State = Annotated[ServerState, Depends(_state)]
