import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ketapredict.simulate import simulate_cohort


@pytest.fixture(scope="session")
def mixed_table(short_cohort) -> Callable[[int], pd.DataFrame]:
    """Make courses of which some are rejected for different reasons, and a column that is empty at first."""

    def make(courses: int) -> pd.DataFrame:
        table = simulate_cohort(courses, 4, short_cohort.protocol).astype({"score_baseline": float})
        rng = np.random.default_rng(1)
        table.loc[rng.choice(courses, courses // 20, replace=False), "score_baseline"] = 900.0
        table.loc[rng.choice(courses, courses // 20, replace=False), ["score_24h", "score_72h"]] = np.nan
        table.loc[[1, courses // 2, courses - 2], "course_id"] = table.loc[0, "course_id"]
        table.loc[[4, courses - 1], "course_id"] = None
        table.loc[: courses // 2, "bmi_kg_m2"] = np.nan
        table.loc[table.index[::7], "sex"] = "woman"
        return table

    return make


@pytest.fixture
def mixed_file(mixed_table, tmp_path) -> Path:
    """120 of these courses as CSV."""
    mixed_table(120).to_csv(tmp_path / "mixed.csv", index=False)
    return tmp_path / "mixed.csv"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 160 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("no permission to mount a small disk")
    yield place
    # Also where a failed test keeps a file open.
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def resize(disk: Path, kilobytes: int) -> None:
    """Give a small disk another size."""
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(disk)], check=True)


def results(output: Path) -> dict[str, bytes]:
    """Return the bytes of the results, without what tells when they were made."""
    found = {path.name.removeprefix(output.name): path.read_bytes() for path in output.parent.glob(f"{output.name}*")}
    manifest = found.pop(".manifest.json").decode().splitlines()
    return found | {"manifest": "\n".join(line for line in manifest if '"finished"' not in line).encode()}
