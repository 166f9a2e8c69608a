"""A limit to the size of requests, whether they announce it or not."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ketapredict.web.answers import refusal


class BodySize:
    """Refuse larger requests with 413."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is small enough."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Request(scope).headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > self.most:
            answer = refusal(Request(scope), 413, f"Expected a request of at most {self.most:,} bytes.")
            await answer(scope, receive, send)
            return
        so_far = 0

        async def counting() -> Message:
            nonlocal so_far
            message = await receive()
            so_far += len(message.get("body", b""))
            if so_far > self.most:
                raise HTTPException(413)  # raised where the body is read, so that it is answered as any other
            return message

        await self.app(scope, counting, send)
