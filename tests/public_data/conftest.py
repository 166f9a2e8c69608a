"""A public server on this machine: good, wrong, missing and broken-off files as a test asks for them."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import SimpleNamespace

import pytest

from ketapredict.public_data.data_sets import DATA_SETS, DataSet, PublishedFile

NAME = "nimh-ds005917"


class PublicServer:
    """Serves `files`; `faults` holds per path the faults of the next answers, the last one for good."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.closing = Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._http.server_port}/data/1.0.1/"
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.removeprefix("/data/1.0.1/")
                server.asked.append(path)
                faults = server.faults.get(path, [])
                fault = faults.pop(0) if len(faults) > 1 else (faults or [""])[0]
                content = server.files.get(path)
                if fault.isdigit() or content is None:
                    self.send_error(int(fault or 404))
                    return
                if fault == "corrupted":
                    content = content[:-1] + bytes([content[-1] ^ 1])
                self.send_response(200)
                if fault != "dropped, no length":
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                half = fault.startswith("dropped") or fault == "silent"
                self.wfile.write(content[: len(content) // 2] if half else content)
                if fault == "silent":
                    self.wfile.flush()
                    server.closing.wait(30)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PublicServer]:
    """A server of made-up files; no proxy and no waiting between the tries."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda _: None))
    running = PublicServer()
    yield running
    running.close()


@pytest.fixture
def published(server: PublicServer, monkeypatch: pytest.MonkeyPatch) -> DataSet:
    """The NIMH data set with made-up contents, at the server, in place of the real one."""
    real = DATA_SETS[NAME]
    for file in real.files:
        server.files[file.path] = f"{file.path}\tmade up\n".encode() * 200
    files = tuple(PublishedFile(path, hashlib.sha256(content).hexdigest()) for path, content in server.files.items())
    stand_in = replace(real, files=files, base_url=server.url)
    monkeypatch.setitem(DATA_SETS, NAME, stand_in)
    return stand_in
