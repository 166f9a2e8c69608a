"""Take the README's picture of the patient's page: the demonstration's model and courses, which are SIMULATED.

    make demo extras
    .venv/bin/python docs/screenshot.py ketapredict-demo

Writes docs/patient.png, and prints how long the page takes to show another estimate when a score is moved.
"""

import io
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / ".extra" / "browser"))
COURSE = "simulated-0012"
WIDTH, HEIGHT = 1080, 2260
MOVES = 40
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


def served(demo: Path, folder: Path) -> tuple[Any, threading.Thread]:
    """Start a server over the demonstration on a free port of this machine."""
    import uvicorn

    from ketapredict.web.app import create_app
    from ketapredict.web.settings import Settings, SignIn

    settings = Settings(
        model=str(demo / "model" / "model"),
        cohort=demo / "cohort.csv",
        database=f"sqlite:///{folder}/web.db",
        key_file=folder / "web.key",
        sign_in=SignIn.NONE,
    )
    server = uvicorn.Server(uvicorn.Config(create_app(settings), host="127.0.0.1", port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    return server, thread


def patients_page(browser: Any, address: str) -> Any:
    """Open the page of the one course."""
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.goto(f"{address}/courses")
    page.get_by_label("Course, patient or site contains").fill(COURSE)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.get_by_role("link", name=COURSE).click()
    page.wait_for_selector("#probability")
    return page


def picture(page: Any) -> bytes:
    """Return the top of the page, in few colours: small enough for a repository."""
    from PIL import Image

    page.get_by_role("link", name="at 24 h", exact=True).click()
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    written = io.BytesIO()
    shot.quantize(200, dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
    return written.getvalue()


def waits(page: Any) -> list[float]:
    """Return how long it takes, in milliseconds, from moving the 24 h score until the page shows the estimate."""
    score = page.locator("#field-score_24h")
    score.fill("0")
    page.wait_for_selector("#what-if-changes")
    found = []
    for value in range(1, MOVES + 1):
        before = page.locator("#what-if-changes").inner_text()
        started = time.perf_counter()
        score.fill(str(value))
        page.wait_for_function(
            "before => document.getElementById('what-if-changes')?.innerText !== before", arg=before, polling=4
        )
        found.append((time.perf_counter() - started) * 1000)
    return sorted(found)


def main(arguments: list[str]) -> None:
    """Take the picture and the time."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        server, thread = served(Path(arguments[0]), Path(folder))
        address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = patients_page(browser, address)
        (ROOT / "docs" / "patient.png").write_bytes(picture(page))
        found = waits(page)
        sys.stdout.write(
            f"what-if, {len(found)} moves of the 24 h score in the browser: median {statistics.median(found):.0f} ms, "
            f"95% {found[int(0.95 * len(found))]:.0f} ms, longest {found[-1]:.0f} ms\n"
        )
        browser.close()
        server.should_exit = True
        thread.join(10)


if __name__ == "__main__":
    main(sys.argv[1:])
