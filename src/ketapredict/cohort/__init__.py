"""What a course is: columns, scales, protocols, and files turned into a validated cohort.

Names are imported when they are first used: a protocol costs no import of a file reader.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ketapredict.cohort.cohort import Cohort, Counts, Source
    from ketapredict.cohort.columns import Column, declared_columns
    from ketapredict.cohort.draft import draft_mapping
    from ketapredict.cohort.mapping import Mapping
    from ketapredict.cohort.mapping_file import load_mapping
    from ketapredict.cohort.protocols import Protocol, load_protocol
    from ketapredict.cohort.read import read_cohort
    from ketapredict.cohort.redcap_draft import draft_redcap
    from ketapredict.cohort.summary import count_lines, summarise

__all__ = [
    "Cohort",
    "Column",
    "Counts",
    "Mapping",
    "Protocol",
    "Source",
    "count_lines",
    "declared_columns",
    "draft_mapping",
    "draft_redcap",
    "load_mapping",
    "load_protocol",
    "read_cohort",
    "summarise",
]

_HOME = {
    "Cohort": "cohort",
    "Column": "columns",
    "Counts": "cohort",
    "Mapping": "mapping",
    "Protocol": "protocols",
    "Source": "cohort",
    "count_lines": "summary",
    "declared_columns": "columns",
    "draft_mapping": "draft",
    "draft_redcap": "redcap_draft",
    "load_mapping": "mapping_file",
    "load_protocol": "protocols",
    "read_cohort": "read",
    "summarise": "summary",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
