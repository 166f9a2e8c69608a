"""All pages; every one asks who the user is, and for a form's token where it changes something."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from ketapredict.web.pages.courses import router as courses
from ketapredict.web.pages.model import router as model
from ketapredict.web.pages.patient import router as patient
from ketapredict.web.templating import render

router = APIRouter()
router.include_router(courses)
router.include_router(patient)
router.include_router(model)


@router.get("/")
def home(request: Request) -> HTMLResponse:
    """Show where to go from here."""
    return render(request, "home.html")
