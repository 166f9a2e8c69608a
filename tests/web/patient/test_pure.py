"""The patient's view knows nothing of HTTP and of no store."""

import ast
from pathlib import Path

import pytest

import ketapredict.monitoring
import ketapredict.web.patient

FOLDERS = [Path(package.__file__).parent for package in (ketapredict.web.patient, ketapredict.monitoring)]
FOREIGN = ("fastapi", "starlette", "sqlalchemy", "jinja2", "ketapredict.web.")


@pytest.mark.parametrize("path", [path for folder in FOLDERS for path in sorted(folder.glob("*.py"))], ids=str)
def test_it_imports_neither_the_server_nor_the_store(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            assert name.startswith("ketapredict.web.patient") or not name.startswith(FOREIGN), name
