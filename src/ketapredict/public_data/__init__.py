"""Public data sets of patients: what they are, where they are, and how to get them unaltered.

Names are imported when they are first used: a list of data sets costs no import of a downloader.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ketapredict.public_data.data_sets import DATA_SETS, DataSet
    from ketapredict.public_data.fetch import Fetched, FetchError, fetch_data_set

__all__ = ["DATA_SETS", "DataSet", "FetchError", "Fetched", "fetch_data_set"]

_HOME = {
    "DATA_SETS": "data_sets",
    "DataSet": "data_sets",
    "FetchError": "fetch",
    "Fetched": "fetch",
    "fetch_data_set": "fetch",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
