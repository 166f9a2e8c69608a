"""What every request passes: headers, host names, origins, sizes, failures, the log."""

import logging
from dataclasses import replace
from types import SimpleNamespace

import pytest
from fastapi import Request
from tests.web.conftest import events, send_form

from ketapredict.errors import ServerError
from ketapredict.web.accounts.roles import Role
from ketapredict.web.settings import Settings
from ketapredict.web.store.events import Event, SecurityLog

SECRET = "73.91"


def test_headers_of_every_answer(free_client):
    for path, status in (("/", 200), ("/none", 404), ("/api/v1/health", 200), ("/static/ketapredict.css", 200)):
        answer = free_client.get(path)
        assert answer.status_code == status
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"  # with no-referrer browsers send no origin with forms
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        expected = "no-cache" if path.startswith("/static/") else "no-store"
        assert answer.headers["cache-control"] == expected
        assert "strict-transport-security" not in answer.headers


def test_no_page_has_scripts_styles_or_addresses_of_its_own(client, free_client):
    for page in (client.get("/sign-in").text, free_client.get("/").text, free_client.get("/audit").text):
        assert "<style" not in page
        assert " style=" not in page
        assert "http://" not in page
        assert "https://" not in page
        assert page.count("<script") == page.count('<script src="/static/')


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example", "", "[::2]:80"])
def test_another_host_name_is_refused_and_recorded(free_client, host):
    answer = free_client.get("/", headers={"Host": host})
    assert answer.status_code == 421
    assert events(free_client) == [("request for another host", "")]


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST", "clinic.example"])
def test_own_host_names(open_client, settings, host):
    client = open_client(replace(settings, names=("Clinic.Example",)))
    assert client.get("/sign-in", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_sites_pages_change_nothing_here(free_client, headers):
    for path in ("/audit/predictions/export", "/api/v1/predict", "/sign-in"):
        assert free_client.post(path, headers=headers).status_code == 403
    assert events(free_client) == [("request from another site", "")] * 3
    assert free_client.get("/", headers=headers).status_code == 200


def test_ones_own_origin(free_client):
    headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert free_client.post("/api/v1/predict", headers=headers, json={}).status_code == 422


def test_a_large_form_is_refused(open_client, settings):
    client = open_client(replace(settings, max_body_bytes=1000))
    answer = client.post("/sign-in", data={"name": "x" * 2000})
    assert (answer.status_code, answer.headers["content-type"]) == (413, "text/html; charset=utf-8")
    parts = iter([b"name=" + b"x" * 600, b"x" * 600])
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/sign-in", content=parts, headers=form).status_code == 413


@pytest.mark.parametrize("path", ["/fails", "/api/v1/fails"])
def test_a_defect_is_answered_and_logged_without_its_message(free_client, caplog, path):
    def fails() -> None:
        raise ValueError(f"a patient's value: {SECRET}")

    free_client.app.add_api_route(path, fails)
    with caplog.at_level(logging.INFO):
        answer = free_client.get(path)
    assert answer.status_code == 500
    assert SECRET not in answer.text
    assert SECRET not in caplog.text
    assert "ValueError at fails" in caplog.text
    assert "default-src" in answer.headers["content-security-policy"]


def test_the_log_has_routes_and_no_addresses(free_client, caplog):
    with caplog.at_level(logging.INFO, "ketapredict.access"):
        free_client.get("/courses/abcdef?name=Jane")
        free_client.get(f"/Jane-{SECRET}")
        free_client.get("/api/v1/health")
    lines = [record.getMessage() for record in caplog.records]
    assert [line.rpartition(" ")[0].rpartition(" ")[0] for line in lines] == [
        "GET /courses/{token} 404",
        "GET - 404",
        "GET /api/v1/health 200",
    ]


def test_a_flood_of_refusals_does_not_fill_the_store(client, monkeypatch):
    # All within one minute, however slow the machine is.
    monkeypatch.setattr("ketapredict.web.store.events.time", SimpleNamespace(monotonic=lambda: 600.0))
    for _ in range(80):
        client.get("/", headers={"Host": "evil.example"})
    found = [kind for kind, _ in events(client)]
    assert found == ["request for another host"] * 60 + ["more of one address, not listed"]


def test_a_flood_hides_no_event_of_another_kind_and_none_of_who_has_signed_in(client, sign_in):
    for _ in range(65):
        client.get("/", headers={"Host": "evil.example"})
    flood = len(events(client))
    sign_in(client, Role.AUDITOR, "otto")
    send_form(client, "/audit", "/audit/events/export")
    for _ in range(65):
        client.get("/courses")
    client.get("/api/v1/model", headers={"Authorization": "Bearer none"})
    kinds = [kind for kind, _ in events(client)[flood:]]
    assert kinds[0] == "signed in"
    assert kinds[1] == "records exported"
    assert kinds[2:-1] == ["page of another role"] * 65
    assert kinds[-1] == "token of a machine unknown, expired or revoked"


def test_a_flood_from_many_addresses_of_one_ipv6_network_is_one(open_client, settings):
    client = open_client(settings)
    log = SecurityLog(client.app.state.server.database)
    for n in range(70):
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "client": (f"2001:db8:0:1::{n:x}", 1)}
        log.record(Event.FOREIGN_HOST, Request(scope))
    assert len(events(client)) == 61


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"host": "0.0.0.0"}, "TLS"),
        ({"host": "10.1.2.3"}, "TLS"),
        ({"host": "clinic.example"}, "TLS"),
        ({"tls_key": "key.pem"}, "together"),
    ],
)
def test_patients_are_not_shown_without_encryption(settings, why):
    with pytest.raises(ServerError, match=why):
        Settings(**settings)


def test_without_sign_in_only_this_machine_is_served():
    from ketapredict.web.settings import SignIn

    for host in ("0.0.0.0", "::", "192.168.1.1", "example.org"):
        with pytest.raises(ServerError, match="loopback"):
            Settings(host=host, sign_in=SignIn.NONE, behind_tls=True)
    for host in ("127.0.0.1", "127.3.2.1", "::1", "localhost"):
        assert Settings(host=host, sign_in=SignIn.NONE).is_loopback
    for reached in ({"behind_tls": True}, {"trusted_peers": ("127.0.0.1",)}):
        with pytest.raises(ServerError, match="--trusted-peer"):
            Settings(sign_in=SignIn.NONE, **reached)
    with pytest.raises(ServerError, match="--name"):
        Settings(sign_in=SignIn.NONE, names=("clinic.example",))


def test_a_trusted_peer_is_an_address():
    with pytest.raises(ServerError, match="--trusted-peer"):
        Settings(trusted_peers=("127.0.0.1", "proxy.example"))
