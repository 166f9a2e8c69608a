"""The cookies: never readable by scripts, never sent with a request from another site."""

from fastapi import Response

from ketapredict.web.settings import Settings


def _name(purpose: str, settings: Settings) -> str:
    # The prefix makes browsers refuse such a cookie from a neighbouring host or without TLS.
    return f"__Host-ketapredict-{purpose}" if settings.https else f"ketapredict-{purpose}"


def session_cookie(settings: Settings) -> str:
    """Return the name of the cookie that holds a session's token."""
    return _name("session", settings)


def form_cookie(settings: Settings) -> str:
    """Return the name of the cookie that the form to sign in is bound to."""
    return _name("form", settings)


def set_cookie(response: Response, name: str, value: str, settings: Settings) -> None:
    """Set a cookie until the browser is closed."""
    response.set_cookie(name, value, path="/", secure=settings.https, httponly=True, samesite="strict")


def remove_cookie(response: Response, name: str, settings: Settings) -> None:
    """Remove a cookie."""
    response.delete_cookie(name, path="/", secure=settings.https, httponly=True, samesite="strict")
