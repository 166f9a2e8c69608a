"""The command `serve`, as a process of its own: TLS, a reverse proxy, sudden death."""

import os
import re
import signal
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import sqlalchemy
from tests.web.conftest import opened_database
from tests.web.processes import serving

from ketapredict.web.accounts.directory import add_account
from ketapredict.web.accounts.machine_tokens import add_token
from ketapredict.web.accounts.roles import Role

pytestmark = pytest.mark.slow
COURSE = {"diagnosis": "MDD", "scale": "MADRS", "score_baseline": 30, "score_24h": 18}


@pytest.fixture
def model_folder(short_model, tmp_path):
    short_model.save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def certificate(tmp_path):
    """A certificate of one's own for localhost, made by the command in docs/serving.md."""
    text = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    command = re.search(r"<!-- certificate: begin -->\n```\n(.+)\n```", text)[1]
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    return tmp_path / "cert.pem", tmp_path / "key.pem"


def test_sudden_death_loses_nothing_that_was_shown(model_folder, tmp_path, database, database_url):
    """Every prediction whose answer arrived is in the table, though the process is killed while it writes."""
    headers = {"Authorization": f"Bearer {add_token(database, 'ehr', Role.CLINICIAN, 1)}"}
    arrived: list[list[str]] = [[] for _ in range(6)]
    with serving(tmp_path, "--model", "model", "--database", database_url) as server:

        def ask(number: int) -> None:
            with httpx.Client(base_url=server.address, headers=headers, timeout=10) as client:
                for turn in range(10_000):
                    ids = [f"c{number}-{turn}-{n}" for n in range(3)]
                    courses = [COURSE | {"course_id": course_id} for course_id in ids]
                    try:
                        answer = client.post("/api/v1/predict", json={"courses": courses})
                    except httpx.HTTPError:
                        return
                    arrived[number] += [p["course_id"] for p in answer.json()["predictions"]]

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        while sum(map(len, arrived)) < 120:
            assert any(thread.is_alive() for thread in threads), "no answers"
            time.sleep(0.01)
        os.kill(server.process.pid, signal.SIGKILL)
        for thread in threads:
            thread.join()
    with database.read() as connection:
        recorded = set(connection.execute(sqlalchemy.text("SELECT course_id FROM shown_predictions")).scalars())
    shown = {course_id for ids in arrived for course_id in ids}
    assert len(shown) >= 120
    assert shown <= recorded


def test_tls_with_a_certificate_of_ones_own(model_folder, tmp_path, certificate):
    cert, key = certificate
    trusted = ssl.create_default_context(cafile=cert)
    with serving(
        tmp_path, "--model", "model", "--host", "localhost", "--tls-cert", str(cert), "--tls-key", str(key)
    ) as server:
        assert server.address.startswith("https://localhost:")
        answer = httpx.get(f"{server.address}/sign-in", verify=trusted)
        assert answer.status_code == 200
        assert answer.headers["set-cookie"].startswith("__Host-")
        assert "strict-transport-security" in answer.headers
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{server.address}/sign-in".replace("https", "http"))
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) == 0


class Proxy(BaseHTTPRequestHandler):
    """A reverse proxy with TLS that signs everybody in as jane: what nginx does in docs/serving.md."""

    upstream = ""
    secret = ""

    def do_GET(self) -> None:
        own = ("x-ketapredict-user", "x-ketapredict-proxy-secret", "x-forwarded-for")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in own}
        headers |= {
            "X-Ketapredict-User": "jane",
            "X-Ketapredict-Proxy-Secret": self.secret,
            "X-Forwarded-For": self.client_address[0],
        }
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        answer = httpx.request(self.command, self.upstream + self.path, headers=headers, content=body)
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name not in ("transfer-encoding", "content-length", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        """Stay silent."""


def test_behind_a_reverse_proxy_that_speaks_tls_and_signs_people_in(model_folder, tmp_path, certificate):
    cert, key = certificate
    with opened_database(f"sqlite:///{tmp_path}/web.db") as database:
        add_account(database, "jane", Role.AUDITOR, None)
    Proxy.secret = "p" * 48
    (tmp_path / "secret").write_text(Proxy.secret + "\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    options = ["--database", "sqlite:///web.db", "--behind-tls", "--trusted-peer", "127.0.0.1"]
    with serving(tmp_path, "--model", "model", *options, "--proxy-secret-file", "secret") as server:
        Proxy.upstream = server.address
        front = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        front.socket = context.wrap_socket(front.socket, server_side=True)
        thread = threading.Thread(target=front.serve_forever)
        thread.start()
        try:
            base = f"https://localhost:{front.server_port}"
            with httpx.Client(base_url=base, verify=ssl.create_default_context(cafile=cert)) as client:
                page = client.get("/audit")
                assert page.status_code == 200
                token = re.search(r'name="csrf_token" value="(\w+)"', page.text)[1]
                form = {"csrf_token": token, "first": "2026-01-01"}
                own, other = {"Origin": base}, {"Origin": "https://elsewhere.example"}
                assert client.post("/audit/events/filter", data=form, headers=own).status_code == 200
                assert client.post("/audit/events/filter", data=form, headers=other).status_code == 403
            assert httpx.get(f"{server.address}/audit", headers={"X-Ketapredict-User": "jane"}).status_code == 403
        finally:
            front.shutdown()
            front.server_close()
            thread.join()
