"""Defects of the program: answered with 500 and logged by their place, for messages may hold patients' values."""

import logging
import os
import traceback
from pathlib import Path

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ketapredict.web.answers import refusal

log = logging.getLogger("ketapredict.failures")


class Failures:
    """Answer an unexpected exception; the server's own log would print its message."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on; answer what is raised."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except Exception as error:
            if os.environ.get("KETAPREDICT_DEBUG"):
                raise
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{last.name} ({Path(last.filename).name}:{last.lineno})"
            log.error("%s at %s: a defect of the program, please report it", type(error).__name__, place)
            if not started:
                answer = refusal(Request(scope), 500, "This is a defect of the program. Nothing was shown.")
                await answer(scope, receive, send)
