"""Refusals, as exceptions; the application turns them into pages or problem details."""


class NotSignedInError(Exception):
    """Nobody is signed in, or no more."""


class Refused(Exception):  # noqa: N818 - a refusal is no error of the program
    """What is asked for is not this user's to ask for; the text says why."""
