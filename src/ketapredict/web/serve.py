"""Run a server until it is told to stop."""

import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from ketapredict.errors import ServerError
from ketapredict.web.app import create_app
from ketapredict.web.served import Served
from ketapredict.web.settings import Settings


def serve(settings: Settings, say: Callable[[str], None], served: Served | None = None) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    settings : Settings
    say : callable
        Gets the address when it can be opened.
    served : Served or None
        Model and courses where they are loaded already.

    Raises
    ------
    KetapredictError
        If the address is taken, or anything that the settings name cannot be used.
    """
    _refuse_bad_certificate(settings)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    logging.getLogger("ketapredict.access").setLevel(logging.INFO)
    with _listening(settings) as listener:
        app = create_app(settings, served)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        scheme = "https" if settings.tls_certificate else "http"
        say(f"{scheme}://{host}:{listener.getsockname()[1]}")
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,  # it would write addresses; the application logs routes
            server_header=False,
            proxy_headers=False,  # the application knows which peers to believe
            ssl_certfile=settings.tls_certificate,
            ssl_keyfile=settings.tls_key,
            timeout_graceful_shutdown=10,
        )
        # What is under way is answered first; then uvicorn raises the signal again.
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def _listening(settings: Settings) -> socket.socket:
    try:
        return socket.create_server(
            (settings.host, settings.port),
            family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET,
            backlog=512,
        )
    except OSError as error:
        raise ServerError(
            f"Cannot listen on {settings.host}, port {settings.port}: {error.strerror}. Choose another --port."
        ) from None


def _refuse_bad_certificate(settings: Settings) -> None:
    if settings.tls_certificate is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(settings.tls_certificate, settings.tls_key)
    except OSError as error:  # ssl.SSLError is one too
        raise ServerError(
            f"Expected a certificate and its key in PEM; {settings.tls_certificate} and {settings.tls_key} are none "
            f"({error.strerror or 'not readable'})."
        ) from None
