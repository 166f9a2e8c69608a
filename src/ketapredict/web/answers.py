"""Answers that say no: problem details (RFC 9457) for the REST interface, a page for people; never with a value."""

from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from ketapredict.web.templating import render

API = "/api/v1"
PROBLEM = "application/problem+json"


def problem(status: int, detail: str, *, headers: dict[str, str] | None = None, **further: Any) -> JSONResponse:
    """Return problem details.

    Parameters
    ----------
    status : int
    detail : str
        What was expected and what to do; no value.
    headers : dict or None
    **further
        Further members, such as the broken rules.
    """
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(content | further, status, headers, PROBLEM)


def is_rest(request: Request) -> bool:
    """Whether a request is for the REST interface."""
    return request.url.path.startswith(f"{API}/")


def refusal(request: Request, status: int, detail: str, *, headers: dict[str, str] | None = None) -> Response:
    """Return a refusal in the form that the sender of a request can read."""
    if is_rest(request):
        return problem(status, detail, headers=headers)
    answer = render(request, "refused.html", status=status, title=HTTPStatus(status).phrase, message=detail)
    answer.headers.update(headers or {})
    return answer
