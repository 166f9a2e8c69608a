"""Pages from templates: escaped everywhere, and the same frame around all of them."""

from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ketapredict.explain.words import concept_label, interval_words, moment_words, percent
from ketapredict.web.accounts.csrf import FIELD, csrf_token
from ketapredict.web.navigation import links_of
from ketapredict.web.patient.view import landmark_words
from ketapredict.web.settings import SignIn
from ketapredict.web.state import server_state


@cache
def environment() -> Environment:
    """Return the environment of all templates."""
    made = Environment(
        loader=PackageLoader("ketapredict.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "percent": percent,
        "concept": concept_label,
        "moment": moment_words,
        "landmark_words": landmark_words,
    }
    made.globals["interval_words"] = interval_words
    return made


def render(request: Request, template: str, *, status: int = 200, **content: Any) -> HTMLResponse:
    """Render a page for the user of a request.

    Parameters
    ----------
    request : Request
        `current_user` has put its user into its state; without one the page has no navigation.
    template : str
        Name of a file in `web/templates`.
    status : int
    **content
        What the template shows; beside it there are `user`, `links`, `path`, `statement` (what the model was trained
        on), `mark` (the same in a few words), `trained_on`, `csrf_token` and `csrf_field()`.
    """
    state = server_state(request)
    user = getattr(request.state, "user", None)
    token = csrf_token(state, user) if user else ""
    bundle = state.served.model.bundle
    page = environment().get_template(template)
    return HTMLResponse(
        page.render(
            {
                "user": user,
                "links": links_of(user.roles) if user else (),
                "path": request.url.path,
                "statement": bundle.statement,
                "trained_on": bundle.trained_on,
                "mark": bundle.mark,
                "can_sign_out": state.settings.sign_in is SignIn.LOCAL,
                "csrf_token": token,
                "csrf_field": lambda: Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, token),
            }
            | content
        ),
        status,
    )
