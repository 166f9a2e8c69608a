"""Roles, and who a user is."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a user does.

    A clinician sees patients; a data scientist the model, and predictions for courses that are sent to it; an auditor
    what was shown to whom, and no patient.
    """

    CLINICIAN = "clinician"
    DATA_SCIENTIST = "data scientist"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True)
class User:
    """A person or a machine that was let in.

    Attributes
    ----------
    name : str
        Unique for ever: accounts are disabled, not removed.
    roles : frozenset of Role
        One, except where nobody signs in.
    binding : str
        What a form's token is bound to: this user's session.
    """

    name: str
    roles: frozenset[Role]
    binding: str = ""
