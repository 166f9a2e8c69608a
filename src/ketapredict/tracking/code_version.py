"""Which code made a model: the package's version and, in a git checkout, the commit."""

import subprocess
from importlib import metadata
from pathlib import Path

import ketapredict

PACKAGE_FOLDER = Path(ketapredict.__file__).parent


def code_version() -> dict[str, str]:
    """Return `code_version` and, where the package lies in a git checkout, `git_commit` and `git_dirty`."""
    found = {"code_version": metadata.version("ketapredict")}
    # A package installed into a checkout of something else is not under that checkout's control.
    if _git("ls-files", "--error-unmatch", "__init__.py") is None:
        return found
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return found
    changed = _git("status", "--porcelain", "--", ".")
    return found | {"git_commit": commit, "git_dirty": "true" if changed else "false"}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(PACKAGE_FOLDER), *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
