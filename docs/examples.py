"""Bring the examples in the README up to date: what they show comes from runs.

    .venv/bin/python docs/examples.py

Runs the demonstration and the benchmark on the real trials, and writes their output between the marks.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"


def section(name: str) -> str:
    """Return what stands between the marks of a section of the README."""
    found = re.search(rf"<!-- {name}: begin -->\n(.*?)<!-- {name}: end -->", README.read_text(), re.DOTALL)
    if found is None:
        raise SystemExit(f"README.md has no marks for {name}.")
    return found[1]


def mapping_text() -> str:
    """Return the mapping that the README shows in full."""
    return f"```toml\n{(ROOT / 'data' / 'mappings' / 'dia-hamd17.toml').read_text()}```\n"


def demo_text(folder: Path) -> str:
    """Return what the demonstration says of its patient."""
    text = (folder / "why.txt").read_text().rstrip("\n")
    return f"What it says of one simulated patient:\n\n```\n{text}\n```\n"


def bench_text(printed: str) -> str:
    """Turn the benchmark's print into one table."""
    rows = [
        "| trial, landmark | learner | log-loss | AUC | committee minus it (standard error) |",
        "|---|---|---|---|---|",
    ]
    title = ""
    for line in printed.splitlines():
        if found := re.match(r"(\w+), (.*) arms?, landmark (\w+): (\d+) courses, (\d+) responders", line):
            title = f"{found[1]}, {found[2]}, {found[3]} ({found[5]} of {found[4]} respond)"
        elif found := re.match(r"\s*(\S.*?)\s+(-?[\d.]+)\s+(-?[\d.]+)\s+(-?[\d.]+)\s+([\d.]+)$", line):
            difference = "" if found[1] == "committee" else f"{float(found[4]):+.3f} ({float(found[5]):.3f})"
            rows.append(f"| {title} | {found[1]} | {float(found[2]):.3f} | {float(found[3]):.2f} | {difference} |")
            title = ""
    return "\n".join(rows) + "\n"


def replace(name: str, content: str) -> None:
    """Put new content between the marks of a section."""
    old = f"<!-- {name}: begin -->\n{section(name)}<!-- {name}: end -->"
    README.write_text(README.read_text().replace(old, f"<!-- {name}: begin -->\n{content}<!-- {name}: end -->"))


def main() -> None:
    """Run everything and rewrite the README's examples."""
    replace("mapping", mapping_text())
    tools = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([tools / "ketapredict", "demo", "--folder", folder], check=True, capture_output=True)
        replace("demo", demo_text(folder))
        (ROOT / "docs" / "explanation.svg").write_text((folder / "why.svg").read_text())
    bench = [sys.executable, ROOT / "benchmarks" / "real_trials.py", "--subsamples", "0"]
    replace("bench", bench_text(subprocess.run(bench, check=True, capture_output=True, text=True).stdout))


if __name__ == "__main__":
    main()
