"""How fast one server process is: time to the first page, predictions with explanation a second, waiting times.

    python benchmarks/serving.py [--seconds 20] [--users 10] [--rate 50]

A model is fitted to simulated courses and served by the command `ketapredict serve`, in a process of its own. Users
send one course at a time, each with the inputs of another simulated course, and read the whole answer: probability,
interval, contributions, sentences, scope. First they keep a rate together, then they send as fast as they are answered.
Then they open patients' pages, and move the 24 h score in what-if: all users together, and one alone.
"""

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np
import pandas as pd

from ketapredict import fit_response_model, read_cohort, simulate_cohort
from ketapredict.cohort.protocols import BUILT_IN

COURSES = 400
WARMING = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--rate", type=float, default=50.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        protocol = BUILT_IN["induction-course"]
        simulate_cohort(COURSES, 1, protocol).to_csv(folder / "cohort.csv", index=False, float_format="%g")
        cohort = read_cohort(folder / "cohort.csv", protocol=protocol)
        fit_response_model(cohort, seed=1)[0].save(folder / "model")
        bodies = requests(pd.read_csv(folder / "cohort.csv"), protocol.outcome)
        started = time.perf_counter()
        with (folder / "messages.txt").open("wb") as messages:
            command = [sys.executable, "-m", "ketapredict.cli", "serve", "--model", "model", "--cohort", "cohort.csv"]
            process = subprocess.Popen(
                [*command, "--no-auth", "--port", "0"], cwd=folder, stdout=messages, stderr=messages
            )
        try:
            address = wait_for_address(process, folder / "messages.txt")
            first_page(address)
            print(f"start of the process to the first page: {time.perf_counter() - started:.1f} s")
            patients, form_token = first_patients(address)
            print(
                f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {asked.users} users, {asked.seconds:g} s each"
            )
            heads = ("a second", "median", "p95", "p99", "largest", "CPU each")
            print(f"{'':44}" + "".join(f"{head:>10}" for head in heads) + "  (times in ms)")
            post = {"Content-Type": "application/json"}
            rest: Call = lambda c, n: c.request("POST", "/api/v1/predict", bodies[n % len(bodies)], post)  # noqa: E731
            page: Call = lambda c, n: c.request("GET", patients[n % len(patients)])  # noqa: E731
            entered: Call = lambda c, n: c.request(  # noqa: E731
                "POST",
                f"{patients[n % len(patients)]}/what-if",
                urlencode({"csrf_token": form_token, "score_24h": n % 30}),
                {"Content-Type": "application/x-www-form-urlencoded", "X-Fragment": "1"},
            )
            for what, call, users, rate in (
                (f"REST, {asked.rate:g} a second sent", rest, asked.users, asked.rate),
                ("REST, as fast as answered", rest, asked.users, None),
                ("patient's page, as fast as answered", page, asked.users, None),
                ("what-if, as fast as answered", entered, asked.users, None),
                ("what-if, one user", entered, 1, None),
            ):
                before = cpu_seconds(process)
                waits, answered = load(address, call, users, asked.seconds, rate)
                told(what, waits, asked.seconds, 1000 * (cpu_seconds(process) - before) / answered)
        finally:
            process.terminate()
            process.wait(20)


Call = Callable[[http.client.HTTPConnection, int], None]


def requests(table: pd.DataFrame, outcome: str) -> list[bytes]:
    """Each course as an EHR would send it before its outcome is known: empty cells left out."""
    courses = table.drop(columns=f"score_{outcome}").astype(object).to_dict("records")
    filled = [{name: value for name, value in course.items() if not pd.isna(value)} for course in courses]
    return [json.dumps({"courses": [course]}).encode() for course in filled]


def wait_for_address(process: "subprocess.Popen[bytes]", messages: Path) -> str:
    while process.poll() is None:
        if found := re.search(r"Serving at (\S+)", messages.read_text()):
            return found[1]
        time.sleep(0.02)
    raise SystemExit(messages.read_text())


def connect(address: str) -> http.client.HTTPConnection:
    parts = urlsplit(address)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)


def fetched(connection: http.client.HTTPConnection) -> bytes:
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"status {answer.status}")
    return body


def first_page(address: str) -> None:
    connection = connect(address)
    connection.request("GET", "/")
    fetched(connection)


def first_patients(address: str) -> tuple[list[str], str]:
    """Return the addresses of the patients on the first page of the list, and the token that forms must have."""
    connection = connect(address)
    connection.request("GET", "/courses")
    found = sorted(set(re.findall(r'href="(/courses/[0-9a-f]+)"', fetched(connection).decode())))
    connection.request("GET", found[0])
    token = re.search(r'name="csrf_token" value="([0-9a-f]+)"', fetched(connection).decode())
    assert token is not None
    return found, token[1]


def load(address: str, call: Call, users: int, seconds: float, rate: float | None) -> tuple[np.ndarray, int]:
    """Let users ask for some seconds, after one of warming up.

    Returns the waiting times in milliseconds, and the number of answers with those of the warming up.
    """
    waits: list[list[float]] = [[] for _ in range(users)]
    answered = [0] * users
    begin = time.perf_counter() + WARMING

    def user(number: int) -> None:
        connection = connect(address)
        turn = number
        due = begin - WARMING + (number / rate if rate else 0.0)
        while (now := time.perf_counter()) < begin + seconds:
            if rate and now < due:
                time.sleep(due - now)
            # Behind its time a user has waited since it was due, not since it was sent.
            sent = due if rate else time.perf_counter()
            call(connection, turn)
            fetched(connection)
            answered[number] += 1
            if sent >= begin:
                waits[number].append(time.perf_counter() - sent)
            turn += users
            due += users / rate if rate else 0.0

    threads = [threading.Thread(target=user, args=(number,)) for number in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not all(waits):
        raise SystemExit("A user got no answer.")
    return 1000 * np.concatenate([np.array(found) for found in waits]), sum(answered)


def cpu_seconds(process: "subprocess.Popen[bytes]") -> float:
    """Return the processor's time that a process has had: what it took however busy the machine is."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def told(what: str, waits: np.ndarray, seconds: float, cpu: float) -> None:
    quantiles = [f"{np.quantile(waits, share):10.0f}" for share in (0.5, 0.95, 0.99, 1.0)]
    print(f"{what:44}{len(waits) / seconds:10.1f}" + "".join(quantiles) + f"{cpu:10.1f}", flush=True)


if __name__ == "__main__":
    main()
