"""A server in memory over a small simulated model, as browsers and machines meet it."""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.web import postgresql

from ketapredict.cohort.cohort import Cohort
from ketapredict.response_model import ResponseModel
from ketapredict.web.accounts.directory import add_account
from ketapredict.web.accounts.machine_tokens import add_token
from ketapredict.web.accounts.roles import Role
from ketapredict.web.app import create_app
from ketapredict.web.served import Served
from ketapredict.web.settings import Settings, SignIn
from ketapredict.web.store.database import Database

with warnings.catch_warnings():
    # Starlette's client announces another HTTP library to come.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

ADDRESS = "http://localhost"
PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def served(short_model: ResponseModel, short_cohort: Cohort) -> Served:
    """The small model with the courses that it was trained on."""
    return Served(short_model, short_cohort)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Sign-in with local accounts, on SQLite."""
    return Settings(database=f"sqlite:///{tmp_path}/web.db", key_file=tmp_path / "web.key")


@pytest.fixture
def open_client(served: Served) -> Iterator[Callable[..., TestClient]]:
    """Start servers with settings of one's own; the client follows no redirect."""
    with ExitStack() as stack:

        def start(settings: Settings, address: str = ADDRESS, peer: str = "testclient") -> TestClient:
            app = create_app(settings, served)
            opened = TestClient(app, base_url=address, follow_redirects=False, client=(peer, 50000))
            return stack.enter_context(opened)

        yield start


@pytest.fixture
def client(open_client: Callable[..., TestClient], settings: Settings) -> TestClient:
    """Nobody is signed in yet."""
    return open_client(settings)


@pytest.fixture
def free_client(open_client: Callable[..., TestClient], settings: Settings) -> TestClient:
    """A server without sign-in: everything is open, and recorded under `no sign-in`."""
    return open_client(replace(settings, sign_in=SignIn.NONE))


@pytest.fixture
def sign_in(settings: Settings) -> Callable[..., None]:
    """Make an account where there is none, and sign a client in."""

    def sign(client: TestClient, role: Role = Role.CLINICIAN, name: str = "") -> None:
        name = name or role.replace(" ", "-")
        state = client.app.state.server
        add_account(state.database, name, role, PASSWORD)
        answer = send_form(client, "/sign-in", "/sign-in", name=name, password=PASSWORD)
        assert answer.status_code == 303, answer.text

    return sign


@pytest.fixture
def bearer(client: TestClient) -> Callable[[Role], dict[str, str]]:
    """Make a token of a role for a machine, as the header that bears it."""

    def make(role: Role = Role.CLINICIAN) -> dict[str, str]:
        token = add_token(client.app.state.server.database, f"machine-{role.replace(' ', '-')}", role, 1)
        return {"Authorization": f"Bearer {token}"}

    return make


def send_form(client: TestClient, page: str, action: str, **fields: str):
    """Fill in the form of a page, as a browser does: with the hidden token that is in it."""
    shown = client.get(page)
    token = re.search(r'name="csrf_token" value="([0-9a-f]+)"', shown.text)
    return client.post(action, data={"csrf_token": token[1] if token else "", **fields})


def events(client: TestClient) -> list[tuple[str, str]]:
    """Return kind and user of every security event, in their order."""
    from sqlalchemy import text

    with client.app.state.server.database.read() as connection:
        rows = connection.execute(text("SELECT kind, user_name FROM security_events ORDER BY id"))
        return [tuple(row) for row in rows]


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A PostgreSQL server of the tests' own."""
    with postgresql.running() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database, of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/store.db"
    else:
        with postgresql.new_database(request.getfixturevalue("postgresql_server")) as url:
            yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A store with its tables, on each kind of database."""
    with opened_database(database_url) as opened:
        yield opened


@contextmanager
def opened_database(url: str) -> Iterator[Database]:
    """Open a store with its tables, and close it whatever happens."""
    opened = Database(url)
    try:
        opened.migrate()
        yield opened
    finally:
        opened.close()
