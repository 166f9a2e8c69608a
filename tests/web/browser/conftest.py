"""One server, one small model, one browser for all browser tests."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI

from ketapredict.response_model import ResponseModel
from ketapredict.web.accounts.directory import add_account
from ketapredict.web.accounts.roles import Role
from ketapredict.web.app import create_app
from ketapredict.web.served import Served
from ketapredict.web.settings import Settings

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "correct horse battery staple"
ROOT = Path(__file__).resolve().parents[3]


def absent(what: str) -> None:
    """Skip with a reason; where CI is set everything must be there."""
    reason = f"browser tests need {what}: `make extras`, and Debian's chromium (see .ci/run)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """Debian's chromium, driven by playwright."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("playwright")
    if CHROMIUM is None:
        absent("chromium")
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def address(browser: object, short_model: ResponseModel, short_cohort, tmp_path_factory) -> Iterator[str]:
    """A server with sign-in, a clinician and an auditor, on a free port of this machine."""
    folder = tmp_path_factory.mktemp("browser")
    settings = Settings(database=f"sqlite:///{folder}/web.db", key_file=folder / "web.key")
    app = create_app(settings, Served(short_model, short_cohort))
    add_account(app.state.server.database, "clinician", Role.CLINICIAN, PASSWORD)
    add_account(app.state.server.database, "auditor", Role.AUDITOR, PASSWORD)
    with running(app) as found:
        yield found


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Serve an application on a free port of this machine."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(600):
        if server.started:
            break
        thread.join(0.05)
    assert server.started
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where screenshots are kept: KETAPREDICT_SCREENSHOTS, or build/screenshots."""
    folder = Path(os.environ.get("KETAPREDICT_SCREENSHOTS", ROOT / "build" / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def signed_in(browser, address):
    """Cookies of a clinician who signed in once."""
    context = browser.new_context()
    page = context.new_page()
    sign_in(page, address, "clinician")
    assert page.url == f"{address}/"
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def page(browser, signed_in):
    """A page of the clinician's; whatever the browser complains of fails the test."""
    context = browser.new_context(storage_state=signed_in, viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.complaints = complaints
    yield opened
    context.close()
    # That a form was sent back to be repaired is what browsers call a failed resource.
    assert [text for text in complaints if "422" not in text] == []


def sign_in(page, address: str, name: str, password: str = PASSWORD) -> None:
    """Sign in as a person would."""
    page.goto(f"{address}/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in").click()
