"""The shape of the package: imports go one way, modules stay small, nothing is pickled."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "ketapredict"
# Down this list: a module imports from its own folder and from those above it.
ORDER = (
    "errors",
    "progress",
    "whole_files",
    "cohort",
    "monitoring",
    "public_data",
    "simulate",
    "features",
    "model",
    "explain",
    "prior",
    "response_model",
    "fitting",
    "validate",
    "report",
    "evidence_models",
    "drift",
    "tracking",
    "release",
    "training",
    "updating",
    "score",
    "demo",
    "web",
    "cli",
)
MODULES = sorted(PACKAGE.rglob("*.py"))


def part(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("ketapredict"):
            names = [node.module] if node.module != "ketapredict" else [f"ketapredict.{a.name}" for a in node.names]
            found.update(names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name.startswith("ketapredict"))
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":  # the package's top offers everything, lazily
        return
    assert own in ORDER, f"{own} has no place in the order"
    for module in imported(path):
        name = part(module)
        if name in ("__version__", ""):
            continue
        assert ORDER.index(name) <= ORDER.index(own), f"{path.name} imports {module}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_stay_small_and_load_no_code_from_data(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 600
    words = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    assert not words & {"pickle", "dill", "cloudpickle", "eval", "exec"}
    assert not path.stem.startswith(("util", "helper", "common", "misc", "base"))
