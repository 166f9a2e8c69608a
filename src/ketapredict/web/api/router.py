"""The routes under `/api/v1`."""

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from ketapredict.response_model import ResponseModel
from ketapredict.web.answers import API, PROBLEM
from ketapredict.web.api import facts, health
from ketapredict.web.api.forms import Problem
from ketapredict.web.api.predict import predict_router

_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "No valid token"},
    403: {"model": Problem, "description": "A token of another role, or a request from another site"},
}
# What any request may meet before a route sees it, and a defect of the program.
_EVERYWHERE: dict[int | str, dict[str, Any]] = {
    403: {"model": Problem, "description": "A request from another site"},
    421: {"model": Problem, "description": "A request for another host name"},
    500: {"model": Problem, "description": "A defect of the program"},
}


def rest_router(model: ResponseModel, most_courses: int) -> APIRouter:
    """Make all routes for a model; `most_courses` may be in one request."""
    router = APIRouter(prefix=API, tags=["ketapredict"], responses=_EVERYWHERE)
    router.include_router(health.router)
    router.include_router(facts.router, responses=_REFUSALS)
    router.include_router(predict_router(model, most_courses), responses=_REFUSALS)
    return router


def describe(app: FastAPI, statement: str) -> None:
    """Let the description say what the model was trained on, and what refusals really are: problem details."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title="ketapredict", version=app.version, description=statement, routes=app.routes)
            for path in made["paths"].values():
                for operation in path.values():
                    for status, answer in operation["responses"].items():
                        if status[0] in "45" and "content" in answer:
                            schema = {"$ref": "#/components/schemas/Problem"}
                            answer["content"] = {PROBLEM: {"schema": schema}}
            for unused in ("HTTPValidationError", "ValidationError"):
                made["components"]["schemas"].pop(unused, None)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
