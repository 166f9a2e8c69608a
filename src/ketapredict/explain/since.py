"""What is known of a course since an estimate was made: later ratings that are not in it, and the outcome itself."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ketapredict.cohort.cells import is_missing
from ketapredict.cohort.protocols import PRE, Protocol
from ketapredict.explain.words import moment_words


@dataclass(frozen=True, slots=True)
class Since:
    """What came after a landmark.

    Attributes
    ----------
    landmark, outcome : str
    later_ratings : tuple of str
        Time points after the landmark that have a score.
    had_outcome : bool or None
        None where the outcome is not rated.
    """

    landmark: str
    outcome: str
    later_ratings: tuple[str, ...]
    had_outcome: bool | None

    @property
    def words(self) -> str:
        """What is to stand beside the estimate; empty where nothing is known that it does not hold."""
        if not self.later_ratings:
            return ""
        made = moment_words(self.landmark) if self.landmark == PRE else f"at {moment_words(self.landmark)}"
        ratings = "rating" if len(self.later_ratings) == 1 else "ratings"
        verb = "is" if len(self.later_ratings) == 1 else "are"
        names = ", ".join(map(moment_words, self.later_ratings))
        told = f"Made {made}. Later {ratings} ({names}) {verb} not in it."
        if self.had_outcome is None:
            return told
        return f"{told} The outcome is known: {'' if self.had_outcome else 'no '}{self.outcome}."


def since_landmark(
    values: Mapping[str, object], protocol: Protocol, landmark: str, outcome: str, label: float
) -> Since:
    """Return what is known of a course since a landmark.

    Parameters
    ----------
    values : mapping of str to object
        A row of the cohort table.
    protocol : Protocol
    landmark : str
    outcome : str
    label : float
        From `outcome_labels`: 1.0, 0.0, or NaN where the outcome is not known.
    """
    after = [name for name in protocol.names if protocol.position(name) > protocol.position(landmark)]
    rated = tuple(name for name in after if not is_missing(values.get(f"score_{name}")))
    return Since(landmark, outcome, rated, None if np.isnan(label) else bool(label))
