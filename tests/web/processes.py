"""A server as its users start it: a process of its own, by the command."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class RunningServer:
    """A process that serves, its address, and the file that it writes messages to."""

    process: subprocess.Popen[bytes]
    address: str
    messages: Path


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[RunningServer]:
    """Serve on a free port until the block is left."""
    messages = folder / "messages.txt"
    command = [sys.executable, "-m", "ketapredict.cli", "serve", "--port", "0", *arguments]
    with messages.open("wb") as file:
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file)
    try:
        yield RunningServer(process, _address(process, messages), messages)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], messages: Path) -> str:
    import time

    for _ in range(600):
        if found := re.search(r"Serving at (\S+)", messages.read_text()):
            return found[1]
        assert process.poll() is None, messages.read_text()
        time.sleep(0.1)
    os.kill(process.pid, 9)
    raise AssertionError(messages.read_text())
