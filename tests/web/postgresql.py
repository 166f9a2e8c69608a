"""A PostgreSQL server of the tests' own: in a folder of its own, on loopback, gone when they end."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER = "ketapredict"


def programs() -> Path:
    """Return the folder of the newest PostgreSQL's programs; skip the test where there is none, except in CI."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        reason = "no PostgreSQL: install Debian's postgresql"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found[-1].parent


@contextmanager
def running() -> Iterator[str]:
    """Yield the URL of a server, without a database."""
    bin_folder = programs()
    # PostgreSQL refuses to run as root, and the folders of pytest are its owner's alone.
    who = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="ketapredict-postgresql-"))
    password = secrets.token_hex(16)
    try:
        password_file = folder / "password"
        password_file.write_text(password)
        if who:
            for path in (folder, password_file):
                shutil.chown(path, "postgres", "postgres")
        options = ["-A", "scram-sha-256", f"--pwfile={password_file}", "-U", USER, "--no-sync", "--locale=C"]
        subprocess.run(
            [bin_folder / "initdb", "-D", folder / "data", "-E", "UTF8", *options],
            check=True,
            capture_output=True,
            cwd=folder,
            **who,
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = subprocess.Popen(
            [bin_folder / "postgres", "-D", folder / "data", "-k", folder, "-h", "127.0.0.1", "-p", str(port), "-F"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            **who,
        )
        try:
            _wait(port, server)
            yield f"postgresql://{USER}:{password}@127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_database(server_url: str) -> Iterator[str]:
    """Yield the URL of an empty database."""
    import psycopg

    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(f"{server_url}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield f"{server_url}/{name}"
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert server.poll() is None, "PostgreSQL ended at once"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("PostgreSQL did not start")
