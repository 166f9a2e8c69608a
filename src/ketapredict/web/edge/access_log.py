"""One line for each request: method, pattern of the route, status, milliseconds; never an address or a query."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ketapredict.web.store.events import route_of

log = logging.getLogger("ketapredict.access")


class AccessLog:
    """Log each request when it has been answered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, note the status."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            log.info("%s %s %.0f ms", route_of(scope), status, (time.perf_counter() - start) * 1000)
