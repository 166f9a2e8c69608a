"""The page to sign in, and the button to sign out."""

import asyncio
import hmac
import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from ketapredict.web.accounts.attempts import Attempts
from ketapredict.web.accounts.cookies import form_cookie, remove_cookie, session_cookie, set_cookie
from ketapredict.web.accounts.csrf import FIELD, csrf_checked
from ketapredict.web.accounts.current_user import CurrentUser
from ketapredict.web.accounts.directory import find_account
from ketapredict.web.accounts.passwords import password_is
from ketapredict.web.accounts.sessions import end_old_sessions, end_session, start_session
from ketapredict.web.settings import SignIn
from ketapredict.web.state import ServerState, State
from ketapredict.web.store.events import Event
from ketapredict.web.templating import render

router = APIRouter()

WRONG = "Name or password is wrong."
TOO_MANY = "Too many attempts. Wait 15 minutes, then try again."
FORM_LOST = "The form was open for too long. Try again."


@router.get("/sign-in")
def show(request: Request, state: State) -> Response:
    """Show the form."""
    if state.settings.sign_in is not SignIn.LOCAL:
        return RedirectResponse("/", 303)
    return _form(request, state)


@router.post("/sign-in")
async def sign_in(
    request: Request,
    state: State,
    name: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=2000)] = "",
    csrf_token: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Start a session, or show the form again: the answer is the same for an unknown name and a wrong password."""
    if state.settings.sign_in is not SignIn.LOCAL:
        return RedirectResponse("/", 303)
    attempts, name = Attempts(state.database, state.keys), name.strip().lower()
    refusal = await run_in_threadpool(_refusal, request, state, attempts, name, csrf_token)
    if refusal is not None:
        return refusal
    # Waiting holds no thread: many who guess keep nobody else from being answered.
    await asyncio.sleep(await run_in_threadpool(attempts.delay_seconds, name))
    return await run_in_threadpool(_checked, request, state, attempts, name, password)


def _refusal(request: Request, state: ServerState, attempts: Attempts, name: str, csrf_token: str) -> Response | None:
    """Answer a form that is not of this browser, or one attempt too many; None where the password is looked at."""
    cookie = request.cookies.get(form_cookie(state.settings), "")
    if not cookie or not hmac.compare_digest(csrf_token.encode(), _token(state, cookie).encode()):
        state.security.record(Event.FORGED_FORM, request)
        return _form(request, state, FORM_LOST, 403)
    if not attempts.admit(name, _address(request)):
        account = find_account(state.database, name)
        state.security.record(Event.TOO_MANY_ATTEMPTS, request, account.name if account else "")
        return _form(request, state, TOO_MANY, 429)
    return None


def _checked(request: Request, state: ServerState, attempts: Attempts, name: str, password: str) -> Response:
    """Look at the password, and start a session where it is right."""
    account = find_account(state.database, name)
    enabled = account is not None and account.disabled_at is None
    right = password_is(account.password_hash if account and enabled else None, password)
    if account is None or not right:
        state.security.record(Event.WRONG_PASSWORD, request, account.name if account else "")
        return _form(request, state, WRONG, 401)
    attempts.forget(name, _address(request))
    end_old_sessions(state.database, state.settings)
    if old := request.cookies.get(session_cookie(state.settings)):
        end_session(state.database, old)
    state.security.record(Event.SIGNED_IN, request, account.name)
    response = RedirectResponse("/", 303)
    set_cookie(response, session_cookie(state.settings), start_session(state.database, account.name), state.settings)
    remove_cookie(response, form_cookie(state.settings), state.settings)
    return response


@router.post("/sign-out", dependencies=[Depends(csrf_checked)])
def sign_out(request: Request, state: State, user: CurrentUser) -> Response:
    """End the session, in the store too."""
    if token := request.cookies.get(session_cookie(state.settings)):
        end_session(state.database, token)
        state.security.record(Event.SIGNED_OUT, request, user.name)
    response = RedirectResponse("/sign-in", 303)
    remove_cookie(response, session_cookie(state.settings), state.settings)
    # What the browser still holds of patients goes as well.
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _token(state: ServerState, cookie: str) -> str:
    return state.keys.sign("form to sign in", cookie)


def _form(request: Request, state: ServerState, message: str = "", status: int = 200) -> Response:
    cookie = request.cookies.get(form_cookie(state.settings)) or secrets.token_urlsafe(32)
    response = render(
        request, "sign_in.html", status=status, message=message, form_token=_token(state, cookie), form_field=FIELD
    )
    set_cookie(response, form_cookie(state.settings), cookie, state.settings)
    return response
