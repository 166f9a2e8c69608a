"""The commands around the server: accounts, tokens, records; what cannot be served."""

import io
import json
import sys

import pytest
from sqlalchemy import insert
from tests.web.conftest import PASSWORD, opened_database
from tests.web.test_store import event_at, prediction_at

from ketapredict.cli import main
from ketapredict.web.accounts.directory import find_account
from ketapredict.web.accounts.machine_tokens import token_user
from ketapredict.web.accounts.passwords import password_is
from ketapredict.web.store.schema import security_events, shown_predictions


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run a command in a folder of its own and return exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object, given: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ketapredict", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return call


@pytest.mark.parametrize(
    "words", ["serve", "accounts add", "accounts list", "accounts disable", "accounts password", "tokens add",
              "tokens list", "tokens revoke", "audit export", "audit purge"],
)  # fmt: skip
def test_every_command_has_an_example(run, words):
    status, out, _ = run(*words.split(), "--help")
    assert status == 0
    assert f"Example: ketapredict {words}" in " ".join(out.split())


def test_accounts(run, tmp_path):
    assert run("accounts", "list") == (0, "", "None yet.\n")
    assert run("accounts", "add", "Jane", "--role", "data-scientist", given=PASSWORD + "\n")[0] == 0
    assert run("accounts", "add", "john", "--role", "auditor", "--proxied")[0] == 0
    for role, password in (("clinician", "short"), ("king", PASSWORD), ("clinician", "")):
        status, _, err = run("accounts", "add", "mary", "--role", role, given=password)
        assert (status, err.count("\n")) == (2, 1)
    assert run("accounts", "disable", "jane")[0] == 0
    assert run("accounts", "disable", "jane")[0] == 2
    assert run("accounts", "password", "john", given="another long password")[0] == 0
    listed = json.loads(run("accounts", "list", "--json")[1])
    assert [(a["name"], a["role"], bool(a["disabled"])) for a in listed] == [
        ("jane", "data scientist", True),
        ("john", "auditor", False),
    ]
    assert "by password" in run("accounts", "list")[1]
    with opened_database(f"sqlite:///{tmp_path}/ketapredict-web.db") as database:
        assert password_is(find_account(database, "john").password_hash, "another long password")


def test_the_database_may_be_named_by_the_environment(run, monkeypatch, tmp_path):
    monkeypatch.setenv("KETAPREDICT_DATABASE", f"sqlite:///{tmp_path}/other.db")
    run("accounts", "add", "jane", "--role", "auditor", "--proxied")
    assert (tmp_path / "other.db").exists()
    assert not (tmp_path / "ketapredict-web.db").exists()


def test_tokens_are_shown_once(run, tmp_path):
    status, token, _ = run("tokens", "add", "ehr", "--role", "clinician", "--days", 7)
    assert status == 0
    assert run("tokens", "add", "ehr", "--role", "clinician")[0] == 2
    assert token.strip() not in run("tokens", "list", "--json")[1]
    with opened_database(f"sqlite:///{tmp_path}/ketapredict-web.db") as database:
        assert token_user(database, token.strip()).name == "token:ehr"
        assert run("tokens", "revoke", "ehr")[0] == 0
        assert token_user(database, token.strip()) is None
    assert run("tokens", "revoke", "ehr")[0] == 2


def test_records_leave_as_files_and_by_age(run, tmp_path):
    from datetime import UTC, datetime, timedelta

    with opened_database(f"sqlite:///{tmp_path}/ketapredict-web.db") as database:
        for days in (1, 50):
            moment = datetime.now(UTC) - timedelta(days=days)
            with database.write() as connection:
                connection.execute(insert(shown_predictions).values(prediction_at(moment, f"course{days}")))
                connection.execute(insert(security_events).values(event_at(moment)))
    assert run("audit", "purge", "--older-than", 7)[0] == 2
    assert "1 shown predictions, 0 judgements and 1 security events" in run("audit", "purge", "--older-than", 40)[2]
    assert run("audit", "export", "--output", "shown.csv")[0] == 0
    assert run("audit", "export", "--events", "--output", "events.csv")[0] == 0
    assert (tmp_path / "shown.csv").stat().st_mode & 0o777 == 0o600
    shown = (tmp_path / "shown.csv").read_text()
    assert "course1" in shown
    assert "course50" not in shown
    assert len((tmp_path / "events.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--host", "0.0.0.0"], "TLS"),
        (["--host", "0.0.0.0", "--behind-tls", "--no-auth"], "loopback"),
        (["--tls-cert", "bad.pem", "--tls-key", "bad.pem"], "PEM"),
        (["--tls-cert", "bad.pem"], "together"),
        (["--database", "mysql://x"], "sqlite:///FILE"),
        (["--model", "absent"], "Expected a model"),
        (["--cohort", "absent.csv"], "absent.csv"),
        (["--proxy-secret-file", "bad.pem"], "32 characters"),
        (["--proxy-secret-file", "absent"], "Cannot read absent"),
        (["--key-file", "bad.pem"], "key file"),
    ],
)
def test_what_cannot_be_served_is_told_in_one_message(run, short_model, tmp_path, arguments, why):
    short_model.save(tmp_path / "model")
    (tmp_path / "bad.pem").write_text("no certificate")
    (tmp_path / "bad.pem").chmod(0o600)
    status, _, err = run("serve", "--model", "model", "--port", "0", *arguments)
    assert status == 2
    assert why in err
    assert "Traceback" not in err


def test_a_port_that_is_taken(run, short_model, tmp_path):
    import socket

    short_model.save(tmp_path / "model")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, err = run("serve", "--model", "model", "--port", port)
    assert status == 2
    assert f"port {port}" in err


def test_a_key_file_that_others_can_read_is_refused(run, short_model, tmp_path):
    short_model.save(tmp_path / "model")
    (tmp_path / "open.key").write_text("0" * 64)
    (tmp_path / "open.key").chmod(0o644)
    status, _, err = run("serve", "--model", "model", "--key-file", "open.key")
    assert (status, "others can read" in err) == (2, True)
