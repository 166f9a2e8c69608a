"""What stands for a course in an address: ids are patient data, and addresses end up in logs and histories."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable

_LENGTH = 24


class CourseTokens:
    """Tokens of courses, other ones in every process: they tell nobody which course it is, nor link two days.

    Parameters
    ----------
    course_ids : iterable of str
    """

    def __init__(self, course_ids: Iterable[str]) -> None:
        key = secrets.token_bytes(32)
        self._tokens = {
            course_id: hmac.new(key, course_id.encode(), hashlib.sha256).hexdigest()[:_LENGTH]
            for course_id in course_ids
        }
        self._ids = {token: course_id for course_id, token in self._tokens.items()}

    def token(self, course_id: str) -> str:
        """Return the token of a course of the cohort; raises KeyError for any other."""
        return self._tokens[course_id]

    def course_id(self, token: str) -> str | None:
        """Return the course of a token, or None."""
        return self._ids.get(token)
