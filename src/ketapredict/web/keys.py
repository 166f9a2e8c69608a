"""The installation's secret key, and the keys that are derived from it, one for each purpose."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from ketapredict.errors import FileError

_BYTES = 32


class Keys:
    """Keys for several purposes, none of which tells another.

    Parameters
    ----------
    secret : bytes
        32 random bytes.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, purpose: str, content: bytes | str) -> str:
        """Return the HMAC-SHA256 of a content under the key of a purpose, as 64 hexadecimal digits."""
        key = hmac.digest(self._secret, purpose.encode(), "sha256")
        data = content.encode() if isinstance(content, str) else content
        return hmac.new(key, data, hashlib.sha256).hexdigest()


def load_keys(path: Path) -> Keys:
    """Read the key file, or make one that only its owner can read.

    Raises
    ------
    FileError
        If it cannot be read or made, holds something else, or others can read it.
    """
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(_BYTES) + "\n")
    except FileExistsError:
        pass
    except OSError as error:
        raise FileError(f"Cannot make the key file {path}: {error.strerror}. Name another with --key-file.") from None
    try:
        if path.stat().st_mode & 0o077:
            raise FileError(f"Expected a key file that only its owner can read; others can read {path}: chmod 600 it.")
        secret = bytes.fromhex(path.read_text("ascii").strip())
    except (ValueError, OSError):
        secret = b""
    if len(secret) != _BYTES:
        raise FileError(f"Expected {2 * _BYTES} hexadecimal digits in the key file {path}. Restore it, or remove it.")
    return Keys(secret)
