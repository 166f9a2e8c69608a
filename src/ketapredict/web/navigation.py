"""The links at the top of every page, and who gets which."""

from dataclasses import dataclass

from ketapredict.web.accounts.roles import Role


@dataclass(frozen=True, slots=True)
class Link:
    """A link that users with one of some roles see."""

    label: str
    path: str
    roles: frozenset[Role]


LINKS: tuple[Link, ...] = (
    Link("Courses", "/courses", frozenset({Role.CLINICIAN})),
    Link("New patient", "/new", frozenset({Role.CLINICIAN})),
    Link("Model", "/model", frozenset(Role)),
    Link("Audit", "/audit", frozenset({Role.AUDITOR})),
)


def links_of(roles: frozenset[Role]) -> tuple[Link, ...]:
    """Return the links that a user with these roles can follow."""
    return tuple(link for link in LINKS if link.roles & roles)
