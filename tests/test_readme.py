"""Nothing in the README is untested: its commands run, what it shows is what comes out."""

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def examples():
    spec = importlib.util.spec_from_file_location("examples", ROOT / "docs" / "examples.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]


@pytest.mark.slow
def test_the_commands_for_ones_own_table_run_as_written(realdata, tmp_path):
    shutil.copy(realdata / "dia_hamd17" / "antidepressant_data_long.csv", tmp_path)
    shutil.copytree(ROOT / "data" / "mappings", tmp_path / "data" / "mappings")
    assert len(commands()) >= 7
    for command in commands():
        words, _, target = command.partition(" > ")
        program, *arguments = shlex.split(words)
        if arguments[0] == "train":  # as written it only resamples more often
            arguments.append("--quick")
        done = subprocess.run(
            [TOOLS / program, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        if target:
            (tmp_path / target).write_text(done.stdout)
    for name in ("draft.toml", "errors.csv", "my-model/model/model.json", "model.md", "scored.csv", "why.html"):
        assert (tmp_path / name).stat().st_size > 0
    header = (tmp_path / "scored.csv").read_text().splitlines()[0]
    for name in ("course_id", "landmark", "probability", "p_low", "in_scope", "notes", "base_logit", "trained_on"):
        assert f'"{name}"' in header
        assert f"`{name}`" in README


@pytest.mark.slow
def test_the_demonstration_runs_and_the_readme_shows_what_it_says(tmp_path, examples):
    folder = tmp_path / "demo"
    done = subprocess.run(
        [TOOLS / "ketapredict", "demo", "--folder", folder], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("SIMULATED")
    for name in ("why.html", "scored.csv", "model/report/measures.csv", "mlflow.db"):
        assert (folder / name).exists()
    (page,) = re.findall(r"ketapredict serve .*", done.stdout)
    assert page.replace(str(folder), "ketapredict-demo") in README
    # Bring both up to date with `make docs`.
    assert examples.section("demo") == examples.demo_text(folder)
    assert (ROOT / "docs" / "explanation.svg").read_text() == (folder / "why.svg").read_text()


def test_the_mapping_is_the_projects_own(examples):
    assert examples.section("mapping") == examples.mapping_text()


def test_the_benchmark_table_comes_from_its_print(examples):
    printed = (
        "\ndia_hamd17, active arm, landmark w1: 64 courses, 29 responders, 10 x 5-fold\n"
        "   learner  log-loss    AUC  committee minus  standard error\n"
        " committee    0.5775 0.7567           0.0000          0.0000\n"
        "XGBoost, default    0.8901 0.6857          -0.3126          0.1084\n"
    )
    assert "| dia_hamd17, active, w1 (29 of 64 respond) | committee | 0.578 | 0.76 |  |" in examples.bench_text(printed)
    assert "|  | XGBoost, default | 0.890 | 0.69 | -0.313 (0.108) |" in examples.bench_text(printed)
    rows = examples.section("bench").splitlines()
    assert len(rows) == 2 + 6 * 6


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()
