"""What becomes of exceptions: every refusal is an answer, and none repeats what was sent."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from ketapredict.errors import KetapredictError
from ketapredict.web.accounts.csrf import SAFE_METHODS
from ketapredict.web.accounts.refusals import NotSignedInError, Refused
from ketapredict.web.answers import is_rest, problem, refusal

BEARER = {"WWW-Authenticate": "Bearer"}
# body, courses, number, column: what follows is how the schema words a choice of types.
_DEEPEST = 4
_MOST_LISTED = 100


def add_exception_handlers(app: FastAPI) -> None:
    """Register the answers of an application."""

    @app.exception_handler(NotSignedInError)
    def not_signed_in(request: Request, _: Exception) -> Response:
        if is_rest(request):
            return problem(401, "Expected a token: Authorization: Bearer TOKEN.", headers=BEARER)
        if request.method in SAFE_METHODS and "x-csrf-token" not in request.headers:
            return RedirectResponse("/sign-in", 303)
        return refusal(request, 401, "You are signed out. Sign in, and do it again.")

    @app.exception_handler(Refused)
    def refused(request: Request, why: Exception) -> Response:
        return refusal(request, 403, str(why))

    @app.exception_handler(HTTPException)
    def http_error(request: Request, error: Exception) -> Response:
        # Details of frameworks may repeat what was sent: the status says enough.
        assert isinstance(error, HTTPException)
        detail = {
            404: "There is nothing here.",
            405: "This address does not take that method.",
            413: "Expected a smaller request.",
        }
        headers = dict(error.headers or {})
        return refusal(request, error.status_code, detail.get(error.status_code, "It cannot be read."), headers=headers)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        if not is_rest(request):
            return refusal(request, 422, "The form cannot be read.")
        found = error.errors()
        if any(e["type"] == "too_long" and e["loc"] == ("body", "courses") for e in found):
            return problem(413, "Expected fewer courses in one request; send them in several.")
        places = {tuple(e["loc"][:_DEEPEST]): e for e in reversed(found)}
        listed = [_where(place, e) for place, e in reversed(places.items())][:_MOST_LISTED]
        return problem(422, "Expected a request as the description says.", errors=listed)

    @app.exception_handler(KetapredictError)
    def unusable(request: Request, error: Exception) -> Response:
        return refusal(request, 422, str(error))


# Kinds of errors whose message is of the schema alone.
_MESSAGES = {
    "missing": "expected to be present",
    "extra_forbidden": "no such member",
    "json_invalid": "expected JSON",
    "finite_number": "expected a finite number",
    "string_too_long": "expected a shorter text",
    "string_pattern_mismatch": "expected text without control characters",
    "too_short": "expected at least one",
    "literal_error": "expected one of the values of the description",
}


def _where(location: tuple[int | str, ...], error: dict[str, str]) -> dict[str, object]:
    """Say where an error is and of what kind; names that are not the schema's may be anything, and are left out."""
    if error["type"] in ("extra_forbidden", "json_invalid"):
        location = location[:-1]
    return {"where": [*location], "expected": _MESSAGES.get(error["type"], "another type")}
