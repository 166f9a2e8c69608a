"""What a server is started with: plain data, checked once."""

import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ketapredict.errors import ServerError


class SignIn(StrEnum):
    """Who says who a user is."""

    LOCAL = "local"
    PROXY = "proxy"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that signs people in.

    Attributes
    ----------
    secret : str
        What the proxy sends in `secret_header`, to show that a request came through it.
    user_header, secret_header : str
    """

    secret: str
    user_header: str = "X-Ketapredict-User"
    secret_header: str = "X-Ketapredict-Proxy-Secret"  # noqa: S105 - the name of a header


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one server.

    Attributes
    ----------
    model : str
        Folder of a saved model, or its address in the registry.
    cohort, mapping : Path or None
        Courses to show, and how their files become the cohort table.
    database : str
        SQLAlchemy URL: SQLite or PostgreSQL.
    key_file : Path
        File with the installation's secret key; made where it is absent.
    sign_in : SignIn
    proxy : Proxy or None
        Present exactly with `SignIn.PROXY`.
    trusted_peers : tuple of str
        Addresses of reverse proxies whose `X-Forwarded-For` is believed.
    host, port
        What is listened on.
    names : tuple of str
        Host names under which browsers reach the server, beside `host` itself.
    tls_certificate, tls_key : Path or None
    behind_tls : bool
        Whether a reverse proxy in front of it speaks TLS.
    idle_minutes, session_hours : int
        A session ends after so long without a request, and after so long altogether.
    max_courses : int
        Courses in one request to predict.
    max_body_bytes : int
        Size of a request.
    """

    model: str = ""
    cohort: Path | None = None
    mapping: Path | None = None
    database: str = "sqlite:///ketapredict-web.db"
    key_file: Path = Path("ketapredict-web.key")
    sign_in: SignIn = SignIn.LOCAL
    proxy: Proxy | None = None
    trusted_peers: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8000
    names: tuple[str, ...] = ()
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    behind_tls: bool = False
    idle_minutes: int = 30
    session_hours: int = 10
    max_courses: int = 500
    max_body_bytes: int = 1_000_000

    def __post_init__(self) -> None:
        """Refuse what would show patients to whom it must not."""
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ServerError("Expected --tls-cert and --tls-key together; found one of them.")
        if self.sign_in is SignIn.NONE and not self.is_loopback:
            raise ServerError(
                "Expected a loopback address (127.0.0.1) with --no-auth: without sign-in everyone who reaches the "
                "server sees its patients. Leave out --host, or --no-auth."
            )
        if self.sign_in is SignIn.NONE and (self.behind_tls or self.trusted_peers):
            raise ServerError(
                "Expected --no-auth without --behind-tls and --trusted-peer: they say that others reach the server, by "
                "way of a proxy, and without sign-in they would see its patients."
            )
        if self.sign_in is SignIn.NONE and self.names:
            raise ServerError(
                "Expected --no-auth without --name: without sign-in only this machine is served, by its own names."
            )
        if not all(map(_is_address, self.trusted_peers)):
            raise ServerError("Expected an address with --trusted-peer, as 127.0.0.1; found something else.")
        if (self.sign_in is SignIn.PROXY) != (self.proxy is not None):
            raise ServerError("Expected the proxy's secret where a proxy signs people in, and only there.")
        if self.proxy is not None and len(self.proxy.secret) < 32:
            raise ServerError("Expected a proxy's secret of 32 characters or more. `openssl rand -hex 32` makes one.")
        if not self.is_loopback and not self.https:
            raise ServerError(
                "Expected TLS on an address that others reach: give --tls-cert and --tls-key, or --behind-tls where a "
                "reverse proxy in front speaks TLS."
            )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        if self.host == "localhost":
            return True
        return _is_address(self.host) and ipaddress.ip_address(self.host).is_loopback

    @property
    def https(self) -> bool:
        """Whether browsers reach it by TLS."""
        return self.behind_tls or self.tls_certificate is not None

    @property
    def known_names(self) -> frozenset[str]:
        """Host names that a request may be for: others are an attack by name resolution, or a mistake."""
        own = {"localhost", "127.0.0.1", "[::1]"} if self.is_loopback else set()
        host = f"[{self.host}]" if ":" in self.host else self.host
        return frozenset({*own, host.lower(), *(name.lower() for name in self.names)})


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
