"""The manifest of a scoring run: what went in, what came out, and what it was made with."""

import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from ketapredict import __version__
from ketapredict.cohort.cohort import SIMULATED_NOTICE
from ketapredict.cohort.observed import Observed
from ketapredict.response_model import ResponseModel
from ketapredict.score.inputs import ScoredInput

# What a manifest says of the output of a run that scored no course.
NO_OUTPUT: dict[str, Any] = {"name": None, "sha256": None}
_VERSIONED = ("numpy", "pandas", "pyarrow")


@dataclass(frozen=True, slots=True)
class Totals:
    """What all batches of a run add up to."""

    scored: int
    largest_residual: float
    observed: Observed


def versions(*further: str) -> dict[str, str]:
    """Return the versions of what results depend on."""
    own = {"ketapredict": __version__, "python": platform.python_version()}
    # They are imported already; asking for their metadata would take longer than scoring one course.
    return own | {name: import_module(name).__version__ for name in (*_VERSIONED, *further)}


def manifest(
    model: ResponseModel,
    given: ScoredInput,
    totals: Totals,
    made_with: dict[str, Any],
    output: dict[str, Any],
    *further: str,
) -> dict[str, Any]:
    """Return the manifest as JSON values.

    Parameters
    ----------
    model : ResponseModel
    given : ScoredInput
    totals : Totals
    made_with : dict
        Options that a reader must know.
    output : dict
        Name and hash of the output.
    *further : str
        Packages beside the usual ones whose versions count.
    """
    marked = [SIMULATED_NOTICE] if totals.observed.simulated or given.simulated else []
    observed = [] if given.all_told else totals.observed.notices(model.bundle.protocol)
    return {
        "statement": model.bundle.statement,
        "counts": {
            "source_rows": given.source_rows,
            "used": given.source_rows - given.filtered - given.unmatched,
            "filtered": given.filtered,
            "unmatched": given.unmatched,
            "courses": given.courses,
            "scored": totals.scored,
            "rejected": given.courses - totals.scored,
        },
        **made_with,
        "inputs": [{"name": s.name, "sha256": s.sha256, "rows": s.rows} for s in given.sources],
        "output": output,
        "model": {
            "name": model.bundle.name,
            "version": model.version,
            "sha256": model.sha256,
            "trained_on": model.bundle.trained_on,
        },
        "largest_additivity_residual": totals.largest_residual,
        "notices": [*marked, *given.notices, *observed],
        "ketapredict": __version__,
        "versions": versions(*further),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def options_told(landmark: str | None, explain: str) -> dict[str, str]:
    """Return the options of scoring in the manifest's words."""
    return {"landmark": landmark or "latest of each course", "explain": explain}
