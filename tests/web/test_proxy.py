"""Behind a proxy that signs people in: believed with its secret only, and only for who has an account."""

from dataclasses import replace

import pytest
from tests.web.conftest import events, send_form

from ketapredict.errors import ServerError
from ketapredict.web.accounts.directory import add_account, disable_account
from ketapredict.web.accounts.roles import Role
from ketapredict.web.settings import Proxy, SignIn

SECRET = "s" * 40


@pytest.fixture
def proxied(open_client, settings):
    return open_client(replace(settings, sign_in=SignIn.PROXY, proxy=Proxy(SECRET), behind_tls=True))


def headers(user: str = "jane", secret: str = SECRET) -> dict[str, str]:
    return {"X-Ketapredict-User": user, "X-Ketapredict-Proxy-Secret": secret}


def test_who_comes_through_the_proxy_with_an_account_is_in(proxied):
    add_account(proxied.app.state.server.database, "jane", Role.AUDITOR, None)
    proxied.headers.update(headers("Jane"))
    assert proxied.get("/audit").status_code == 200
    page = proxied.get("/")
    assert "jane" in page.text
    assert "Sign out" not in page.text
    assert proxied.get("/sign-in").status_code == 303
    assert proxied.post("/sign-in", data={"name": "jane", "password": "x"}).status_code == 303
    assert send_form(proxied, "/audit", "/audit/predictions/filter", first="2026-01-01").status_code == 200


@pytest.mark.parametrize("secret", ["", "s" * 39, "x" * 40, "\u00e9" * 40])
def test_a_forged_header_is_refused_and_recorded(proxied, secret):
    add_account(proxied.app.state.server.database, "jane", Role.AUDITOR, None)
    forged = {name: value.encode() for name, value in headers(secret=secret).items()}
    assert proxied.get("/audit", headers=forged).status_code == 403
    assert events(proxied) == [("header of the proxy without its secret", "")]


def test_the_proxys_word_gives_no_account(proxied):
    database = proxied.app.state.server.database
    add_account(database, "gone", Role.AUDITOR, None)
    disable_account(database, "gone")
    for user in ("stranger", "gone", ""):
        assert proxied.get("/", headers=headers(user)).status_code == 403
    assert events(proxied) == [("signed in by the proxy, without an account", "")] * 3


def test_roles_and_forms_hold_behind_a_proxy_too(proxied):
    add_account(proxied.app.state.server.database, "jane", Role.CLINICIAN, None)
    assert proxied.get("/audit", headers=headers()).status_code == 403
    assert proxied.post("/audit/predictions/filter", headers=headers()).status_code == 403
    assert [kind for kind, _ in events(proxied)] == ["page of another role", "form without the token of the session"]


def test_headers_of_a_proxy_mean_nothing_where_there_is_none(client):
    add_account(client.app.state.server.database, "jane", Role.AUDITOR, None)
    assert client.get("/audit", headers=headers()).status_code == 303


def test_a_weak_secret_or_none_is_refused(settings):
    with pytest.raises(ServerError, match="32 characters"):
        replace(settings, sign_in=SignIn.PROXY, proxy=Proxy("short"))
    with pytest.raises(ServerError, match="secret"):
        replace(settings, sign_in=SignIn.PROXY)


@pytest.mark.parametrize(
    ("trusted", "forwarded", "believed"),
    [
        (("127.0.0.1", "10.0.0.1"), "6.6.6.6, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (("127.0.0.1",), "2001:DB8::0:1", "2001:db8::1"),
        (("127.0.0.1", "10.0.0.1"), "203.0.113.9, ::ffff:10.0.0.1", "203.0.113.9"),
        (("::ffff:127.0.0.1",), "203.0.113.9", "203.0.113.9"),
        # What is no address is nobody's: the peer itself counts, and nothing that was sent is kept.
        (("127.0.0.1",), "<script>", "127.0.0.1"),
        (("127.0.0.1",), "203.0.113.9, unknown", "127.0.0.1"),
        (("127.0.0.1",), "203.0.113.9:1234", "127.0.0.1"),
        (("127.0.0.1",), "", "127.0.0.1"),
        ((), "203.0.113.9", "127.0.0.1"),
        (("10.0.0.1",), "203.0.113.9", "127.0.0.1"),
    ],
)
def test_the_address_of_the_client_is_believed_of_trusted_peers_only(
    open_client, settings, trusted, forwarded, believed
):
    client = open_client(replace(settings, trusted_peers=trusted), peer="127.0.0.1")
    client.cookies.set("ketapredict-session", "unknown")
    client.get("/", headers={"X-Forwarded-For": forwarded})
    from sqlalchemy import text

    with client.app.state.server.database.read() as connection:
        found = connection.execute(text("SELECT address FROM security_events ORDER BY id")).scalars().all()
    assert found == [believed]
