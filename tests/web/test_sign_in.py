"""Signing in with a local account: what lets somebody in, and what is refused and recorded."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text, update
from tests.web.conftest import PASSWORD, events, send_form

from ketapredict.errors import AccountError
from ketapredict.web.accounts import attempts
from ketapredict.web.accounts.attempts import (
    LONGEST_DELAY_SECONDS,
    PER_ACCOUNT,
    PER_ACCOUNT_AND_ADDRESS,
    PER_ADDRESS,
    Attempts,
)
from ketapredict.web.accounts.directory import add_account, disable_account, list_accounts, set_password
from ketapredict.web.accounts.passwords import password_is
from ketapredict.web.accounts.roles import Role
from ketapredict.web.accounts.sessions import digest
from ketapredict.web.keys import Keys
from ketapredict.web.networks import network_of
from ketapredict.web.store.schema import accounts, sessions


def state_of(client):
    return client.app.state.server


def age_sessions(client, **columns: timedelta) -> None:
    """Move moments of all sessions into the past."""
    with state_of(client).database.write() as connection:
        for name, age in columns.items():
            connection.execute(update(sessions).values({name: datetime.now(UTC) - age}))


def test_nobody_gets_in_without_signing_in(client):
    for path in ("/", "/audit", "/audit/events"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert client.post("/audit/predictions/export").status_code == 401
    assert client.post("/sign-out").status_code == 401


def test_sign_in_and_out(client, sign_in):
    sign_in(client, Role.AUDITOR, "Jane")
    page = client.get("/")
    assert page.status_code == 200
    assert "jane" in page.text
    assert client.get("/audit").status_code == 200
    token = client.cookies["ketapredict-session"]
    assert send_form(client, "/", "/sign-out").status_code == 303
    assert "ketapredict-session" not in client.cookies
    client.cookies.set("ketapredict-session", token)
    assert client.get("/").status_code == 303
    assert events(client) == [("signed in", "jane"), ("signed out", "jane"), ("session unknown", "")]


def test_the_cookie_is_out_of_reach_and_the_token_not_in_the_store(client, sign_in):
    add_account(state_of(client).database, "jane", Role.CLINICIAN, PASSWORD)
    answer = send_form(client, "/sign-in", "/sign-in", name="jane", password=PASSWORD)
    cookie = next(line for line in answer.headers.get_list("set-cookie") if line.startswith("ketapredict-session="))
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    token = re.match(r"ketapredict-session=([^;]+)", cookie)[1]
    assert len(token) >= 43
    with state_of(client).database.read() as connection:
        assert connection.execute(select(sessions.c.token_hash)).scalar_one() == digest(token)
        stored = connection.execute(select(accounts.c.password_hash)).scalar_one()
    assert stored.startswith("$argon2id$")


def test_with_tls_cookies_are_bound_to_it(open_client, settings, sign_in):
    client = open_client(replace(settings, behind_tls=True), "https://localhost")
    answer = client.get("/sign-in")
    assert answer.headers["set-cookie"].startswith("__Host-ketapredict-form=")
    assert "Secure" in answer.headers["set-cookie"]
    assert "max-age" in answer.headers["strict-transport-security"]
    sign_in(client)
    assert "__Host-ketapredict-session" in client.cookies


@pytest.mark.parametrize("name", ["jane", "nobody", "x" * 150, "jane\x00", "proxied", "disabled"])
def test_a_wrong_password_an_unknown_name_and_a_disabled_account_look_the_same(client, name):
    database = state_of(client).database
    add_account(database, "jane", Role.CLINICIAN, PASSWORD)
    add_account(database, "proxied", Role.CLINICIAN, None)
    add_account(database, "disabled", Role.CLINICIAN, PASSWORD)
    disable_account(database, "disabled")
    password = PASSWORD if name != "jane" else PASSWORD + "!"
    answer = send_form(client, "/sign-in", "/sign-in", name=name, password=password)
    assert answer.status_code == 401
    assert "Name or password is wrong." in answer.text
    assert "ketapredict-session" not in client.cookies
    known = name if name in ("jane", "proxied", "disabled") else ""
    assert events(client) == [("wrong name or password", known)]
    assert PASSWORD not in answer.text


def test_what_was_typed_as_a_name_is_not_kept(client):
    send_form(client, "/sign-in", "/sign-in", name="my-password-by-mistake", password="jane")
    with state_of(client).database.read() as connection:
        for table in ("sign_in_attempts", "security_events"):
            assert "my-password" not in str(connection.execute(text(f"SELECT * FROM {table}")).all())


def test_an_unknown_name_takes_the_same_work(monkeypatch):
    from ketapredict.web.accounts import passwords

    verified = []

    class Counting:
        def verify(self, password_hash: str, password: str) -> bool:
            verified.append(password_hash)
            return True

        def hash(self, password: str) -> str:
            return "hash of nobody"

    passwords._nobodys_hash.cache_clear()
    monkeypatch.setattr(passwords, "_HASHER", Counting())
    try:
        assert not password_is(None, "whatever")
        assert password_is("a hash", "whatever")
    finally:
        passwords._nobodys_hash.cache_clear()
    assert verified == ["hash of nobody", "a hash"]


def test_a_session_ends_when_nobody_uses_it(client, sign_in):
    sign_in(client, name="jane")
    age_sessions(client, last_seen_at=timedelta(minutes=29))
    assert client.get("/").status_code == 200
    with state_of(client).database.read() as connection:
        seen = connection.execute(select(sessions.c.last_seen_at)).scalar_one()
    assert datetime.now(UTC) - seen < timedelta(minutes=1)
    age_sessions(client, last_seen_at=timedelta(minutes=31))
    assert client.get("/").status_code == 303
    assert client.get("/").status_code == 303
    assert events(client)[1:] == [("session expired", "jane"), ("session unknown", "")]


def test_a_session_ends_in_any_case(client, sign_in):
    sign_in(client)
    age_sessions(client, created_at=timedelta(hours=10, seconds=1))
    assert client.get("/").status_code == 303


def test_disabling_an_account_or_changing_its_password_ends_its_sessions(client, sign_in):
    sign_in(client, name="jane")
    set_password(state_of(client).database, "jane", PASSWORD + "2")
    assert client.get("/").status_code == 303
    assert send_form(client, "/sign-in", "/sign-in", name="jane", password=PASSWORD).status_code == 401
    assert send_form(client, "/sign-in", "/sign-in", name="jane", password=PASSWORD + "2").status_code == 303
    disable_account(state_of(client).database, "JANE")
    assert client.get("/").status_code == 303


def test_signing_in_again_gives_a_new_token_and_ends_the_old_session(client, sign_in):
    sign_in(client, name="jane")
    old = client.cookies["ketapredict-session"]
    assert send_form(client, "/sign-in", "/sign-in", name="jane", password=PASSWORD).status_code == 303
    assert client.cookies["ketapredict-session"] != old
    client.cookies.set("ketapredict-session", old)
    assert client.get("/").status_code == 303


def test_the_form_to_sign_in_must_be_ones_own(client):
    add_account(state_of(client).database, "jane", Role.CLINICIAN, PASSWORD)
    for token in ("", "0" * 64):
        answer = client.post("/sign-in", data={"name": "jane", "password": PASSWORD, "csrf_token": token})
        assert answer.status_code == 403
    assert events(client) == [("form without the token of the session", "")] * 2


def test_a_forged_form_is_refused_and_recorded(client, sign_in, open_client, settings):
    sign_in(client, name="jane")
    own = re.search(r'name="csrf_token" value="(\w+)"', client.get("/").text)[1]
    other = open_client(settings)
    sign_in(other, name="john")
    for token in (None, "", own[:-1] + "x", re.search(r'value="(\w{64})"', other.get("/").text)[1], "\u00e9"):
        answer = client.post("/sign-out", data={} if token is None else {"csrf_token": token})
        assert answer.status_code == 403
    assert client.get("/").status_code == 200
    assert events(client).count(("form without the token of the session", "jane")) == 5
    assert client.post("/sign-out", headers={"X-CSRF-Token": own}).status_code == 303


def test_another_roles_page_is_refused_and_recorded(client, sign_in):
    sign_in(client, Role.CLINICIAN, "jane")
    answer = client.get("/audit")
    assert answer.status_code == 403
    assert "auditor" in answer.text
    assert 'href="/audit"' not in client.get("/").text
    assert events(client)[-1] == ("page of another role", "jane")


def test_too_many_attempts_on_one_account(client, open_client, settings, monkeypatch):
    add_account(state_of(client).database, "jane", Role.CLINICIAN, PASSWORD)
    for _ in range(PER_ACCOUNT_AND_ADDRESS):
        assert send_form(client, "/sign-in", "/sign-in", name="jane", password="wrong").status_code == 401
    # The right password does not help any more, nor does a restart of the server.
    for server in (client, open_client(settings)):
        answer = send_form(server, "/sign-in", "/sign-in", name=" JANE ", password=PASSWORD)
        assert answer.status_code == 429
    assert events(client)[-1] == ("too many attempts to sign in", "jane")
    monkeypatch.setattr(attempts, "WINDOW", timedelta(0))
    assert send_form(client, "/sign-in", "/sign-in", name="jane", password=PASSWORD).status_code == 303


def test_attempts_are_counted_per_account_and_address_whether_the_account_exists_or_not(database):
    counted = Attempts(database, Keys(b"k" * 32))
    most = PER_ACCOUNT_AND_ADDRESS
    assert [counted.admit("nobody", "10.0.0.1") for _ in range(most + 1)] == [True] * most + [False]
    # Whoever guesses from there does not lock the owner out, and the owner's success gives no new guesses there.
    assert counted.admit("nobody", "10.0.0.2")
    counted.forget("nobody", "10.0.0.2")
    assert not counted.admit("nobody", "10.0.0.1")
    assert counted.admit("somebody", "10.0.0.1")
    counted.forget("nobody", "10.0.0.1")
    assert counted.admit("nobody", "10.0.0.1")
    tries = [counted.admit(f"name{n}", "10.9.9.9") for n in range(PER_ADDRESS + 2)]
    assert tries == [True] * PER_ADDRESS + [False] * 2
    assert counted.admit("name1", "10.0.0.2")


def test_ever_new_addresses_of_one_ipv6_network_are_one(database):
    counted = Attempts(database, Keys(b"k" * 32))
    most = PER_ACCOUNT_AND_ADDRESS
    assert [counted.admit("jane", f"2001:db8:0:1::{n:x}") for n in range(most + 1)] == [True] * most + [False]
    assert counted.admit("jane", "2001:db8:0:2::1")
    counted.forget("jane", "2001:db8:0:1::ffff")
    assert counted.admit("jane", "2001:db8:0:1::1")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:0:1:a:b:c:d", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_the_network_of_an_address(address, network):
    assert network_of(address) == network
    assert len(network) <= 45  # what the store holds


def test_guesses_on_one_account_from_everywhere_get_slow_and_lock_nobody_out(client, monkeypatch):
    database = state_of(client).database
    add_account(database, "jane", Role.CLINICIAN, PASSWORD)
    counted = Attempts(database, state_of(client).keys)
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    for n in range(2 * PER_ACCOUNT):
        assert counted.admit("jane", f"10.1.{n}.1")
    assert counted.delay_seconds("jane") == 2.0
    assert counted.delay_seconds("somebody") == 0.0
    monkeypatch.setattr("ketapredict.web.accounts.sign_in.asyncio.sleep", sleep)
    assert send_form(client, "/sign-in", "/sign-in", name="jane", password=PASSWORD).status_code == 303
    assert 2.0 in waited
    for n in range(12 * PER_ACCOUNT):
        counted.admit("jane", f"10.2.{n // 250}.{n % 250}")
    assert counted.delay_seconds("jane") == LONGEST_DELAY_SECONDS
    monkeypatch.setattr(attempts, "WINDOW", timedelta(0))
    assert counted.delay_seconds("jane") == 0.0


def test_many_attempts_at_once_gain_nothing(database):
    from concurrent.futures import ThreadPoolExecutor

    counted = Attempts(database, Keys(b"k" * 32))
    with ThreadPoolExecutor(8) as pool:
        admitted = list(pool.map(lambda _: counted.admit("jane", "10.0.0.1"), range(4 * PER_ACCOUNT_AND_ADDRESS)))
    assert sum(admitted) == PER_ACCOUNT_AND_ADDRESS


def test_names_and_passwords_that_cannot_be(database):
    add_account(database, "Jane", Role.CLINICIAN, PASSWORD)
    disable_account(database, "jane")
    for name in ("jane", "JANE "):
        with pytest.raises(AccountError, match="new name"):
            add_account(database, name, Role.AUDITOR, PASSWORD)
    for name in ("", "a b", "token:x", "-x", "x" * 65, "\u00e9l\u00e8ve"):
        with pytest.raises(AccountError, match="Expected a name"):
            add_account(database, name, Role.AUDITOR, PASSWORD)
    with pytest.raises(AccountError, match="12 to"):
        add_account(database, "john", Role.AUDITOR, "short")
    for name in ("jane", "nobody"):
        with pytest.raises(AccountError, match="enabled account"):
            disable_account(database, name)
        with pytest.raises(AccountError, match="enabled account"):
            set_password(database, name, PASSWORD)
    assert [account.name for account in list_accounts(database)] == ["jane"]
