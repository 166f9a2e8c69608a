"""A clinician's own judgement beside the model's: an estimate of her own and why, kept as it was said."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ketapredict.web.patient.typed_numbers import typed_percent

LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class Judgement:
    """What somebody thinks of one estimate.

    Attributes
    ----------
    probability : float
        Her own, 0 to 1.
    reason : str
        Why, in a sentence or more.
    """

    probability: float
    reason: str


@dataclass(frozen=True, slots=True)
class JudgementForm:
    """The form as it was entered, with what was expected instead where something is wrong."""

    percent: str = ""
    reason: str = ""
    percent_error: str = ""
    reason_error: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether anything is to be repaired."""
        return bool(self.percent_error or self.reason_error)


def read_judgement(entered: Mapping[str, str]) -> tuple[Judgement | None, JudgementForm]:
    """Read the form's fields `own_percent` and `reason`.

    Returns
    -------
    judgement : Judgement or None
        None where something is wrong.
    form : JudgementForm
        To be shown again.
    """
    percent, reason = entered.get("own_percent", "").strip(), entered.get("reason", "").strip()
    share, percent_error = typed_percent(percent)
    # Databases and tables take no control characters; a new line is a blank.
    words = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", reason).split())
    form = JudgementForm(
        percent,
        reason,
        percent_error,
        "" if 0 < len(words) <= LONGEST_REASON else f"Expected a reason of up to {LONGEST_REASON} characters.",
    )
    return (None if form.is_wrong or share is None else Judgement(share, words)), form
