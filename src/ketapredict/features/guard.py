"""The leakage guard: what is not known by the landmark, or is the outcome, cannot become a feature."""

from collections.abc import Iterable

from ketapredict.cohort.columns import Column
from ketapredict.cohort.protocols import Protocol
from ketapredict.errors import LeakageError, ProtocolError


def known_by(column: Column, protocol: Protocol, landmark: str) -> bool:
    """Return whether a column is known at a landmark and before the outcome.

    A column that is known at a time point that the protocol does not have is not known.
    """
    try:
        position = protocol.position(column.known_at)
    except ProtocolError:
        return False
    return position <= protocol.position(landmark) and position < protocol.position(protocol.outcome)


def refuse_leakage(columns: Iterable[Column], protocol: Protocol, landmark: str) -> None:
    """Refuse columns that are not known by the landmark, or are known at or after the outcome.

    Raises
    ------
    LeakageError
        Names each column with the moment at which it is known.
    """
    unknown = [column for column in columns if not known_by(column, protocol, landmark)]
    if unknown:
        listed = ", ".join(f"{column.name} (known at {column.known_at})" for column in unknown)
        raise LeakageError(
            f"Expected features known by {landmark} and before the outcome at {protocol.outcome} of protocol "
            f"{protocol.name}; found {listed}. Leave them out, or declare truthfully when they are known."
        )
