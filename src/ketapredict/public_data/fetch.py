"""Download a public data set: every file is the published one, byte for byte, or it is not there."""

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ketapredict.cohort.mapping_file import mapping_folder
from ketapredict.errors import FileError
from ketapredict.public_data.data_sets import DATA_SETS, DataSet, PublishedFile

CONNECT_SECONDS, READ_SECONDS = 10.0, 30.0
RETRIES = 2
# Of the answers from 400 to 499 only these two may change by themselves.
_PASSING_REFUSALS = (408, 429)
_READABLE_BY_ALL = 0o644


class FetchError(FileError):
    """A public file cannot be downloaded, is not the published one, or has no place to go."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a folder holds after `fetch_data_set`.

    Attributes
    ----------
    data_set : DataSet
    folder : Path
    downloaded, present : tuple of str
        Names of the published files that were downloaded now, and that were there before.
    kept : tuple of str
        Mappings and protocols that were there before and differ from the project's.
    """

    data_set: DataSet
    folder: Path
    downloaded: tuple[str, ...]
    present: tuple[str, ...]
    kept: tuple[str, ...]


def fetch_data_set(
    name: str,
    folder: str | Path | None = None,
    *,
    base_url: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Fetched:
    """Download a public data set into a folder that `read_cohort` can read with the project's mapping.

    The published files lie side by side in the folder, with the project's mappings and protocol for them.
    A file gets its name only once its SHA-256 is the published one; files that have it already are not
    downloaded again, so a run that broke off is completed by the next.

    Parameters
    ----------
    name : str
        One of `DATA_SETS`.
    folder : path or None
        Made if absent; by default the data set's name in the working folder. Nothing that is in it is
        overwritten.
    base_url : str or None
        Another address with the same files, such as a mirror's.
    say : callable or None
        Gets one line for each file.

    Returns
    -------
    Fetched

    Raises
    ------
    FetchError
        If there is no such data set, the folder holds another file of the same name or cannot be written,
        or a file cannot be downloaded (after 2 retries) or is not the published one.
    """
    data_set = _named(name)
    target = Path(data_set.name if folder is None else folder)
    tell = say or (lambda _: None)
    present = _already_there(data_set, target)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(target, error) from None
    downloaded: list[str] = []
    for file in data_set.files:
        if file.name in present:
            tell(f"{file.name}: already there")
            continue
        complete = len(present) + len(downloaded)
        _download(data_set, file, target, base_url or data_set.base_url, complete, tell)
        downloaded.append(file.name)
        tell(f"{file.name}: downloaded, SHA-256 as published")
    kept = _copy_mappings(data_set, target, tell)
    return Fetched(data_set, target, tuple(downloaded), present, kept)


def _named(name: str) -> DataSet:
    try:
        return DATA_SETS[name]
    except KeyError:
        raise FetchError(f"Expected a data set out of {', '.join(DATA_SETS)}; this one is not known.") from None


def _already_there(data_set: DataSet, folder: Path) -> tuple[str, ...]:
    """Return the names of the files that are complete; refuse a folder with others of the same name."""
    present, others = [], []
    try:
        for file in data_set.files:
            path = folder / file.name
            if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256:
                present.append(file.name)
            elif path.exists() or path.is_symlink():
                others.append(file.name)
    except OSError as error:
        raise FetchError(f"Cannot read what is in {folder}: {error.strerror}. Choose another folder (--to).") from None
    if others:
        raise FetchError(
            f"{folder} has {', '.join(others)} with another content than {data_set.name} {data_set.version}; "
            "nothing was overwritten. Move what is there away, or choose another folder (--to)."
        )
    return tuple(present)


def _download(
    data_set: DataSet, file: PublishedFile, folder: Path, base_url: str, complete: int, say: Callable[[str], None]
) -> None:
    import pooch
    from requests.exceptions import RequestException

    address = base_url.rstrip("/") + "/"
    store = pooch.Pooch(
        path=folder.absolute(),
        base_url=address,
        registry={file.name: f"sha256:{file.sha256}"},
        urls={file.name: address + file.path},
        retry_if_failed=RETRIES,
    )
    pooch.get_logger().setLevel(logging.WARNING)
    stay = f"{complete} of {len(data_set.files)} files are complete in {folder} and stay"
    by_hand = f"or download {file.path} of version {data_set.version} by hand from {data_set.page} into {folder}"
    try:
        store.fetch(file.name, downloader=_Downloader(file.name, say))
    except RequestException as error:
        raise FetchError(
            f"{file.name} could not be downloaded from {address}: {_reason(error)}. {stay}. Check the connection "
            f"(a proxy is set by HTTPS_PROXY) and run the same command again, {by_hand}."
        ) from None
    except ValueError:
        raise FetchError(
            f"{file.name} from {address} is not the published file (another SHA-256, {1 + RETRIES} times); it was "
            f"thrown away. {stay}. A proxy or filter on the way may have put something else in its place: run the "
            f"same command again from another network, {by_hand}."
        ) from None
    except OSError as error:
        raise _cannot_write(folder, error) from None


class _Downloader:
    """Downloads one file for pooch, which calls it again where the connection or the hash fails."""

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        self.name = name
        self.say = say
        self.tries = 0

    def __call__(self, url: str, target: str, _: Any) -> None:
        import requests

        self.tries += 1
        if self.tries > 1:
            self.say(f"{self.name}: try {self.tries} of {1 + RETRIES}")
        with requests.get(url, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as response:
            status = response.status_code
            if 400 <= status < 500 and status not in _PASSING_REFUSALS:
                raise FetchError(
                    f"{self.name} is not at {url} (the server answered {status}). If the address is right, the data "
                    "set has moved: a newer ketapredict may know where to."
                )
            response.raise_for_status()
            with Path(target).open("wb") as file:
                for chunk in response.iter_content(1 << 16):
                    file.write(chunk)
        # The temporary file is for its owner's eyes only; the data are public.
        Path(target).chmod(_READABLE_BY_ALL)


def _reason(error: Exception) -> str:
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code}"
    for kind, words in (
        (exceptions.ProxyError, "the proxy does not let it through"),
        (exceptions.SSLError, "the server's certificate was not accepted"),
        (exceptions.Timeout, "the server did not answer in time"),
        (exceptions.ChunkedEncodingError, "the connection broke off"),
        (exceptions.ConnectionError, "no connection to the server, or it fell silent"),
    ):
        if isinstance(error, kind):
            return words
    return type(error).__name__


def _copy_mappings(data_set: DataSet, folder: Path, say: Callable[[str], None]) -> tuple[str, ...]:
    """Put the mappings and the protocol beside the data; what a person has changed is kept."""
    kept = []
    for name in (*data_set.mappings, data_set.protocol):
        content = (mapping_folder() / name).read_bytes()
        path = folder / name
        try:
            if path.exists():
                if path.read_bytes() != content:
                    kept.append(name)
                    say(f"{name}: kept as it is; it differs from the project's, which comes back if you delete it")
                continue
            _write_whole(path, content)
        except OSError as error:
            raise _cannot_write(folder, error) from None
    return tuple(kept)


def _write_whole(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        partial.chmod(_READABLE_BY_ALL)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _cannot_write(folder: Path, error: OSError) -> FetchError:
    return FetchError(
        f"Cannot write to {folder}: {error.strerror or 'the disk failed'}. "
        "Expected a folder that you may write to (--to)."
    )
