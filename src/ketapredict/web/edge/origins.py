"""Where a request comes from: which machine, for which host name, from which page."""

import ipaddress
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ketapredict.web.accounts.csrf import SAFE_METHODS
from ketapredict.web.answers import refusal
from ketapredict.web.settings import Settings
from ketapredict.web.store.events import Event, SecurityLog

type IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Origins:
    """Refuse requests for other host names, and requests that change something from other sites' pages.

    The first is how a page from elsewhere reaches a server on this machine: it lets its own name lead here.
    Behind a reverse proxy the client is the one whose address the proxy adds to `X-Forwarded-For`.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings, security: SecurityLog) -> None:
        self.app, self.settings, self.security = app, settings, security
        found = (_address(peer) for peer in settings.trusted_peers)
        self.trusted = frozenset(address for address in found if address is not None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is from here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        scope["client"] = _client(request, self.trusted)
        host = request.headers.get("host", "")
        if _without_port(host) not in self.settings.known_names:
            await run_in_threadpool(self.security.record, Event.FOREIGN_HOST, request)
            answer = refusal(request, 421, "This server does not go by that name. Start it with --name for this one.")
            await answer(scope, receive, send)
            return
        if scope["method"] not in SAFE_METHODS and not _from_here(request, host):
            await run_in_threadpool(self.security.record, Event.FOREIGN_ORIGIN, request)
            await refusal(request, 403, "The request comes from another site.")(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _from_here(request: Request, host: str) -> bool:
    """Whether a request comes from a page of this server, or from no page at all."""
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == host.lower()


def _without_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    return (name if port.isdigit() and name else host).lower()


def _client(request: Request, trusted: frozenset[IPAddress]) -> tuple[str, int] | None:
    """Return the client: the last address on the way that is no trusted peer; what is no address ends the way."""
    client = request.client
    if client is None or _address(client.host) not in trusted:
        return request.scope.get("client")
    hops = [hop.strip() for value in request.headers.getlist("x-forwarded-for") for hop in value.split(",")]
    for hop in reversed(hops):
        address = _address(hop)
        if address is None:
            break
        if address not in trusted:
            return str(address), 0
    return client.host, client.port


def _address(text: str) -> IPAddress | None:
    """Read an address; an IPv4 address in the form of IPv6 is the IPv4 address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return address if isinstance(address, ipaddress.IPv4Address) else address.ipv4_mapped or address
