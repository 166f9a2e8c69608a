"""Who responds to ketamine infusions in depression, and why: research software.

The verbs of the command line, for Python. Names are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ketapredict.cohort.read import read_cohort
    from ketapredict.drift.monitoring import monitor
    from ketapredict.fitting import fit_response_model
    from ketapredict.response_model import ResponseModel
    from ketapredict.score.files import score_file
    from ketapredict.simulate import simulate_cohort
    from ketapredict.training import train
    from ketapredict.updating import update
    from ketapredict.validate.evaluation import evaluate
    from ketapredict.validate.study import FULL, QUICK, Effort

__version__ = "0.1.0"
__all__ = [
    "FULL",
    "QUICK",
    "Effort",
    "ResponseModel",
    "evaluate",
    "fit_response_model",
    "monitor",
    "read_cohort",
    "score_file",
    "simulate_cohort",
    "train",
    "update",
]

_HOME = {
    "FULL": "validate.study",
    "QUICK": "validate.study",
    "Effort": "validate.study",
    "ResponseModel": "response_model",
    "evaluate": "validate.evaluation",
    "fit_response_model": "fitting",
    "monitor": "drift.monitoring",
    "read_cohort": "cohort.read",
    "score_file": "score.files",
    "simulate_cohort": "simulate",
    "train": "training",
    "update": "updating",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
