"""The application: what a server holds, and the pages and interfaces on top of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends, FastAPI
from starlette.staticfiles import StaticFiles

from ketapredict import __version__
from ketapredict.web.accounts import sign_in
from ketapredict.web.accounts.csrf import csrf_checked
from ketapredict.web.answers import API
from ketapredict.web.api.router import describe, rest_router
from ketapredict.web.audit.pages import router as audit
from ketapredict.web.edge.access_log import AccessLog
from ketapredict.web.edge.body_size import BodySize
from ketapredict.web.edge.failures import Failures
from ketapredict.web.edge.headers import SecurityHeaders
from ketapredict.web.edge.origins import Origins
from ketapredict.web.exception_handlers import add_exception_handlers
from ketapredict.web.keys import load_keys
from ketapredict.web.pages.router import router as pages
from ketapredict.web.served import Served, load_served
from ketapredict.web.settings import Settings
from ketapredict.web.state import ServerState
from ketapredict.web.store.database import Database
from ketapredict.web.store.events import SecurityLog
from ketapredict.web.store.recorder import Recorder

STATIC = Path(__file__).parent / "static"
# Most of them wait: one at a time computes (`ServerState.computing`), the others go to the disk together.
_THREADS = 8


def create_app(settings: Settings, served: Served | None = None) -> FastAPI:
    """Make the application; its database is migrated, its model loaded, nothing is global.

    Parameters
    ----------
    settings : Settings
    served : Served or None
        Model and courses where they are loaded already; by default those that the settings name.

    Raises
    ------
    KetapredictError
        If the model, the cohort, the key file or the database cannot be used.
    """
    served = served or load_served(settings)
    keys = load_keys(settings.key_file)
    database = Database(settings.database)
    database.migrate()
    recorder = Recorder(database, keys, served.model)
    security = SecurityLog(database)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = _THREADS
        yield
        database.close()

    app = FastAPI(
        title="ketapredict",
        version=__version__,
        # The description is of the REST interface alone; no page that would fetch scripts from elsewhere shows it.
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.server = ServerState(settings, served, keys, database, recorder, security)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.include_router(rest_router(served.model, settings.max_courses))
    app.include_router(sign_in.router, include_in_schema=False)
    # Whatever these hold asks who the user is, and for the form's token where it changes something.
    for router in (audit, pages):
        app.include_router(router, dependencies=[Depends(csrf_checked)], include_in_schema=False)
    describe(app, served.model.bundle.statement)
    add_exception_handlers(app)
    # The last one added meets a request first.
    app.add_middleware(BodySize, most=settings.max_body_bytes)
    app.add_middleware(Origins, settings=settings, security=security)
    app.add_middleware(Failures)
    app.add_middleware(SecurityHeaders, https=settings.https)
    app.add_middleware(AccessLog)
    return app
