"""A server in memory over a small simulated model, as browsers and machines meet it."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ketapredict.cohort.cohort import Cohort
from ketapredict.response_model import ResponseModel
from ketapredict.web.app import create_app
from ketapredict.web.served import Served
from ketapredict.web.settings import Settings, SignIn

with warnings.catch_warnings():
    # Starlette's client announces another HTTP library to come.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

ADDRESS = "http://localhost"


@pytest.fixture(scope="session")
def served(short_model: ResponseModel, short_cohort: Cohort) -> Served:
    """The small model with the courses that it was trained on."""
    return Served(short_model, short_cohort)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Sign-in with local accounts, on SQLite."""
    return Settings(database=f"sqlite:///{tmp_path}/web.db", key_file=tmp_path / "web.key")


@pytest.fixture
def open_client(served: Served) -> Iterator[Callable[[Settings], TestClient]]:
    """Start servers with settings of one's own; the client follows no redirect."""
    with ExitStack() as stack:

        def start(settings: Settings) -> TestClient:
            app = create_app(settings, served)
            return stack.enter_context(TestClient(app, base_url=ADDRESS, follow_redirects=False))

        yield start


@pytest.fixture
def client(open_client: Callable[[Settings], TestClient], settings: Settings) -> TestClient:
    """Nobody is signed in yet."""
    return open_client(settings)


@pytest.fixture
def free_client(open_client: Callable[[Settings], TestClient], tmp_path: Path) -> TestClient:
    """A server without sign-in: everything is open, and recorded under `no sign-in`."""
    return open_client(
        Settings(database=f"sqlite:///{tmp_path}/free.db", key_file=tmp_path / "free.key", sign_in=SignIn.NONE)
    )
