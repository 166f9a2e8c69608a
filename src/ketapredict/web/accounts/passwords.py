"""Passwords: argon2id, and the same work for a name that does not exist."""

import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ketapredict.errors import AccountError

SHORTEST, LONGEST = 12, 1000

# RFC 9106's second recommended setting: 64 MiB, three passes.
_HASHER = PasswordHasher()
# Each verification takes 64 MiB: a flood of them must not take the machine's memory.
_AT_ONCE = threading.BoundedSemaphore(4)


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password.

    Raises
    ------
    AccountError
        If it is shorter than 12 or longer than 1,000 characters.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccountError(f"Expected a password of {SHORTEST} to {LONGEST} characters; found another length.")
    return _HASHER.hash(password)


def password_is(password_hash: str | None, password: str) -> bool:
    """Whether a password has a hash; without a hash, False after the same work."""
    with _AT_ONCE:
        try:
            _HASHER.verify(password_hash or _nobodys_hash(), password)
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


@cache
def _nobodys_hash() -> str:
    return _HASHER.hash("the password of nobody")
