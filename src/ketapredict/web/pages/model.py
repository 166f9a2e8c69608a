"""What the model is, for everyone who is let in: what it was trained on, how well that is known, what it cannot say."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from ketapredict.explain.patient import CAVEAT
from ketapredict.web.accounts.current_user import require
from ketapredict.web.accounts.roles import Role, User
from ketapredict.web.patient.frequencies import outcome_words
from ketapredict.web.state import State
from ketapredict.web.templating import render

router = APIRouter()
AnyRole = Annotated[User, Depends(require(*Role))]


@router.get("/model")
def model_page(request: Request, state: State, user: AnyRole) -> HTMLResponse:  # noqa: ARG001
    """Show what the model is."""
    model = state.served.model
    bundle = model.bundle
    return render(
        request,
        "model.html",
        model=model,
        bundle=bundle,
        outcome=outcome_words(bundle.outcome, bundle.protocol.outcome),
        notices=bundle.provenance.get("notices", []),
        versions=bundle.provenance.get("versions", {}),
        caveat=CAVEAT,
    )
