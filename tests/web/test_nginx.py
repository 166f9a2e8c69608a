"""Behind a real nginx, with the files of docs/serving.md: TLS, who somebody is, from which address."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.web.conftest import PASSWORD, opened_database
from tests.web.processes import serving

from ketapredict.web.accounts.directory import add_account
from ketapredict.web.accounts.machine_tokens import add_token
from ketapredict.web.accounts.roles import Role
from ketapredict.web.store.records import Filter, page_of
from ketapredict.web.store.schema import security_events, shown_predictions

pytestmark = pytest.mark.slow
DOCUMENT = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
COURSE = {"course_id": "c", "diagnosis": "MDD", "scale": "MADRS", "score_baseline": 30, "score_24h": 18}
SERVED = ("--model", "model", "--database", "sqlite:///web.db", "--behind-tls", "--trusted-peer", "127.0.0.1")


def block(name: str) -> str:
    return re.search(rf"<!-- {name}: begin -->\n```\n(.+?)\n```", DOCUMENT, re.DOTALL)[1]


@pytest.fixture(scope="module")
def nginx() -> str:
    """Debian's nginx."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no nginx: see .ci/run")
        pytest.skip("no nginx: see .ci/run")
    return found


@pytest.fixture
def folder(short_model, tmp_path) -> Path:
    """A model and a certificate for localhost."""
    short_model.save(tmp_path / "model")
    subprocess.run(block("certificate").split(), cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


@contextmanager
def in_front(nginx: str, folder: Path, server: str, upstream: str) -> Iterator[httpx.Client]:
    """Run nginx with a `server` of the document, and return a client that believes the certificate alone."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for documented, here in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("clinic.example", "localhost"),
        ("/etc/nginx/", f"{folder}/"),
        ("http://127.0.0.1:8000", upstream),
    ):
        assert documented in server
        server = server.replace(documented, here)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    kept = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log warn;"
        f"events {{}}\nhttp {{ access_log off; {kept}\n{server}\n}}\n"
    )
    command = [nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            assert process.poll() is None, (folder / "error.log").read_text()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        trusted = ssl.create_default_context(cafile=folder / "cert.pem")
        with httpx.Client(base_url=f"https://localhost:{port}", verify=trusted) as client:
            yield client
    finally:
        process.terminate()
        process.wait(20)
    # nginx removes such files at once: what tells of them is its warning.
    assert "temporary file" not in (folder / "error.log").read_text()


def test_local_accounts_behind_nginx(nginx, folder):
    with opened_database(f"sqlite:///{folder}/web.db") as database:
        add_account(database, "jane", Role.CLINICIAN, PASSWORD)
        with serving(folder, *SERVED) as server, in_front(nginx, folder, block("nginx"), server.address) as client:
            page = client.get("/sign-in")
            assert page.status_code == 200
            assert page.headers["set-cookie"].startswith("__Host-")
            assert "strict-transport-security" in page.headers
            form = {"csrf_token": re.search(r'name="csrf_token" value="(\w+)"', page.text)[1], "name": "jane"}
            own = {"Origin": str(client.base_url).rstrip("/"), "X-Forwarded-For": "6.6.6.6"}
            assert client.post("/sign-in", data=form | {"password": "wrong"}, headers=own).status_code == 401
            answer = client.post("/sign-in", data=form | {"password": PASSWORD}, headers=own)
            assert (answer.status_code, answer.headers["location"]) == (303, "/")
            assert client.get("/new").status_code == 200
            elsewhere = {"Origin": "https://elsewhere.example"}
            assert client.post("/sign-out", headers=elsewhere).status_code == 403
            # Larger than nginx keeps by default, smaller than the limit of the server.
            headers = {"Authorization": f"Bearer {add_token(database, 'ehr', Role.CLINICIAN, 1)}"}
            courses = [COURSE | {"course_id": f"c{n}", "site": "x" * 200} for n in range(300)]
            sent = client.post("/api/v1/predict", json={"courses": courses}, headers=headers, timeout=60)
            assert (sent.status_code, len(sent.json()["predictions"])) == (200, 300)
        found = page_of(database, security_events, Filter())
    assert {event["kind"] for event in found} >= {"wrong name or password", "signed in", "request from another site"}
    # What the client says of its own address is replaced.
    assert {event["address"] for event in found} == {"127.0.0.1"}


def test_nginx_signs_people_in_and_machines_sign_in_themselves(nginx, folder):
    secret = "p" * 64
    (folder / "proxy-secret").write_text(secret + "\n")
    (folder / "ketapredict-secret.conf").write_text(f"proxy_set_header X-Ketapredict-Proxy-Secret {secret};\n")
    hashed = subprocess.run(["openssl", "passwd", "-apr1", PASSWORD], check=True, capture_output=True, text=True)
    (folder / "ketapredict.passwords").write_text(f"jane:{hashed.stdout}mary:{hashed.stdout}")
    own_location = re.compile(r"    location / \{.*?\n    \}", re.DOTALL)
    configured = own_location.sub(lambda _: block("nginx sign-in"), block("nginx"))
    with opened_database(f"sqlite:///{folder}/web.db") as database:
        add_account(database, "jane", Role.AUDITOR, None)
        add_account(database, "eve", Role.CLINICIAN, None)
        signed_in = ("--proxy-secret-file", "proxy-secret")
        with (
            serving(folder, *SERVED, *signed_in) as server,
            in_front(nginx, folder, configured, server.address) as client,
        ):
            assert client.get("/audit").status_code == 401
            assert client.get("/audit", auth=("jane", "wrong")).status_code == 401
            as_eve = {"X-Ketapredict-User": "eve"}
            page = client.get("/audit", auth=("jane", PASSWORD), headers=as_eve)
            assert page.status_code == 200
            assert "<span>jane</span>" in page.text
            assert client.get("/", auth=("mary", PASSWORD)).status_code == 403  # no account here
            direct = httpx.get(f"{server.address}/new", headers=as_eve | {"X-Ketapredict-Proxy-Secret": "guess"})
            assert direct.status_code == 403
            token = add_token(database, "ehr", Role.CLINICIAN, 1)
            answers = [
                client.post("/api/v1/predict", json={"courses": [COURSE]}, headers=headers)
                for headers in ({"Authorization": f"Bearer {token}"}, as_eve)
            ]
            assert [answer.status_code for answer in answers] == [200, 401]
        (recorded,) = page_of(database, shown_predictions, Filter())
    assert recorded["user_name"] == "token:ehr"
