"""For whatever watches over the server: no sign-in, and nothing but whether it works."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from ketapredict.web.answers import problem
from ketapredict.web.api.forms import Health, Problem
from ketapredict.web.state import State

router = APIRouter()


@router.get("/health")
def health() -> Health:
    """Tell that the process answers."""
    return Health(status="alive")


@router.get("/ready", response_model=Health, responses={503: {"model": Problem}})
def ready(state: State) -> JSONResponse:
    """Tell whether predictions can be made and recorded: the model is loaded, the database answers."""
    if not state.database.is_ready():
        return problem(503, "The database does not answer.")
    return JSONResponse(Health(status="ready").model_dump())
