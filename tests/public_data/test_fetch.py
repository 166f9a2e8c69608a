"""Public data from a server that can fail: what has a final name is the published file, whole."""

import hashlib
import sys
from pathlib import Path

import pytest

from ketapredict.cli import main
from ketapredict.cohort import load_mapping, load_protocol, read_cohort, summarise
from ketapredict.errors import FileError
from ketapredict.public_data import FetchError, fetch_data_set
from ketapredict.public_data.data_sets import DATA_SETS, DataSet

from .conftest import NAME, PublicServer

TRIES = 3


def only_whole_files(folder: Path, published: DataSet) -> set[str]:
    """Check that every published file in the folder is whole and nothing is left over; return their names."""
    hashes = {file.name: file.sha256 for file in published.files}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    own = {*published.mappings, published.protocol}
    assert set(found) <= set(hashes) | own
    whole = set(found) - own
    assert all(found[name] == hashes[name] for name in whole)
    return whole


def test_a_folder_with_everything_for_score(published: DataSet, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "nimh data"
    lines: list[str] = []
    fetched = fetch_data_set(NAME, folder, say=lines.append)
    names = tuple(file.name for file in published.files)
    assert (fetched.downloaded, fetched.present, fetched.kept) == (names, (), ())
    assert only_whole_files(folder, published) == set(names)
    assert lines == [f"{name}: downloaded, SHA-256 as published" for name in names]
    assert "phenotype.tsv" in names
    for name in published.mappings:
        load_mapping(folder / name)
    assert load_protocol(folder / published.protocol).name == NAME
    assert all(path.stat().st_mode & 0o077 == 0o044 for path in folder.iterdir())


def test_the_folder_is_named_after_the_data_set(
    published: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert fetch_data_set(NAME).folder == Path(NAME)
    assert only_whole_files(tmp_path / NAME, published)


def test_another_address_with_the_same_files(
    published: DataSet, server: PublicServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = server.url.rstrip("/")
    monkeypatch.setattr(server, "url", "")
    fetch_data_set(NAME, tmp_path, base_url=address)
    assert len(only_whole_files(tmp_path, published)) == 7


def test_what_is_there_already_is_not_downloaded_again(
    published: DataSet, server: PublicServer, tmp_path: Path
) -> None:
    fetch_data_set(NAME, tmp_path)
    (tmp_path / "phenotype.tsv").unlink()
    server.asked.clear()
    fetched = fetch_data_set(NAME, tmp_path)
    assert fetched.downloaded == ("phenotype.tsv",)
    assert len(fetched.present) == 6
    assert server.asked == ["phenotype/phenotype.tsv"]


FAULTS = {
    "corrupted": "is not the published file",
    "dropped": "the connection broke off",
    "dropped, no length": "is not the published file",
    "500": "the server answered 500",
    "429": "the server answered 429",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_stays_ends_in_one_message_and_a_rerun_completes(
    fault: str, published: DataSet, server: PublicServer, tmp_path: Path
) -> None:
    path = "phenotype/phenotype.tsv"
    server.faults[path] = [fault]
    with pytest.raises(FetchError, match=FAULTS[fault]) as caught:
        fetch_data_set(NAME, tmp_path)
    message = str(caught.value)
    assert message.startswith("phenotype.tsv")
    assert "2 of 7 files are complete" in message
    assert "run the same command again" in message
    assert published.page in message
    assert "\n" not in message
    assert isinstance(caught.value, FileError)
    assert server.asked.count(path) == TRIES
    assert only_whole_files(tmp_path, published) == {"participants.tsv", "participants.json"}
    server.faults.clear()
    assert len(fetch_data_set(NAME, tmp_path).downloaded) == 5
    assert len(only_whole_files(tmp_path, published)) == 7


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_is_tried_again(
    fault: str, published: DataSet, server: PublicServer, tmp_path: Path
) -> None:
    server.faults["README"] = [fault, fault, ""]
    lines: list[str] = []
    fetch_data_set(NAME, tmp_path, say=lines.append)
    assert len(only_whole_files(tmp_path, published)) == 7
    assert [line for line in lines if "try" in line] == ["README: try 2 of 3", "README: try 3 of 3"]


def test_a_missing_file_is_asked_for_once(published: DataSet, server: PublicServer, tmp_path: Path) -> None:
    del server.files["participants.json"]
    with pytest.raises(FetchError, match=r"participants\.json is not at http://127.* \(the server answered 404\)"):
        fetch_data_set(NAME, tmp_path)
    assert server.asked.count("participants.json") == 1
    assert only_whole_files(tmp_path, published) == {"participants.tsv"}


def test_a_server_that_falls_silent(
    published: DataSet, server: PublicServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ketapredict.public_data.fetch.READ_SECONDS", 0.1)
    server.faults["CHANGES"] = ["silent"]
    with pytest.raises(FetchError, match=r"CHANGES could not be downloaded .* it fell silent"):
        fetch_data_set(NAME, tmp_path)
    assert "CHANGES" not in only_whole_files(tmp_path, published)


def test_no_server_at_all(published: DataSet, server: PublicServer, tmp_path: Path) -> None:
    server.close()
    with pytest.raises(FetchError, match="no connection to the server"):
        fetch_data_set(NAME, tmp_path)
    assert only_whole_files(tmp_path, published) == set()


def test_a_run_that_is_interrupted_leaves_no_half_file(
    published: DataSet, server: PublicServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pooch.core.hash_matches", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch_data_set(NAME, tmp_path)
    assert only_whole_files(tmp_path, published) == set()


def test_nothing_of_the_users_is_overwritten(published: DataSet, server: PublicServer, tmp_path: Path) -> None:
    (tmp_path / "README").write_text("about my own project")
    (tmp_path / "participants.tsv").mkdir()
    with pytest.raises(FetchError, match=r"has participants\.tsv, README with another content") as caught:
        fetch_data_set(NAME, tmp_path)
    assert "choose another folder (--to)" in str(caught.value)
    assert (tmp_path / "README").read_text() == "about my own project"
    assert server.asked == []


def test_a_changed_mapping_is_kept(published: DataSet, tmp_path: Path) -> None:
    fetch_data_set(NAME, tmp_path)
    mine = tmp_path / published.mappings[0]
    mine.write_text("# mine\n")
    lines: list[str] = []
    assert fetch_data_set(NAME, tmp_path, say=lines.append).kept == (mine.name,)
    assert mine.read_text() == "# mine\n"
    assert f"{mine.name}: kept as it is" in lines[-1]


def test_a_folder_that_cannot_be_made(published: DataSet, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FetchError, match=r"Choose another folder|Expected a folder"):
        fetch_data_set(NAME, tmp_path / "file")


def test_a_disk_that_is_full(published: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pooch.core.shutil.move", full)
    with pytest.raises(FetchError, match=r"Cannot write to .*: No space left on device"):
        fetch_data_set(NAME, tmp_path)
    assert only_whole_files(tmp_path, published) == set()


def test_an_unknown_data_set() -> None:
    with pytest.raises(FetchError, match="Expected a data set out of nimh-ds005917"):
        fetch_data_set("other")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ketapredict", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_the_command_shows_licence_citation_and_what_to_do_next(
    published: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my data"
    assert run(monkeypatch, "fetch", NAME, "--to", str(folder)) == 0
    printed = capsys.readouterr()
    assert "Licence   CC0" in printed.out
    assert published.citation in printed.out
    assert f"ketapredict check '{folder}' --mapping '{folder}/{published.mappings[0]}'" in printed.out
    assert f"ketapredict score '{folder}' --mapping '{folder}/{published.mappings[0]}'" in printed.out
    assert len(printed.err.splitlines()) == 7


@pytest.mark.parametrize("fault", ["corrupted", "dropped", "404"])
def test_the_command_ends_in_one_message(
    fault: str,
    published: DataSet,
    server: PublicServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.faults["participants.tsv"] = [fault]
    assert run(monkeypatch, "fetch", NAME, "--to", str(tmp_path / "data")) == 2
    printed = capsys.readouterr()
    *tries, error = printed.err.splitlines()
    assert (printed.out, len(tries)) == ("", 0 if fault == "404" else TRIES - 1)
    assert error.startswith("Error: participants.tsv")


def test_the_real_files_become_the_known_cohort(realdata: Path, server: PublicServer, tmp_path: Path) -> None:
    real = DATA_SETS[NAME]
    at_hand = realdata / "nimh_ds005917"
    assert {file.name for file in real.files} == {path.name for path in at_hand.iterdir()}
    for file in real.files:
        server.files[file.path] = (at_hand / file.name).read_bytes()
    fetch_data_set(NAME, tmp_path, base_url=server.url)
    assert only_whole_files(tmp_path, real) == {file.name for file in real.files}
    cohort = read_cohort(tmp_path, tmp_path / real.mappings[0], tmp_path / real.protocol)
    facts = summarise(cohort).set_index(["arm", "time_point"]).loc[("ketamine", "d10")]
    assert (facts["n_both"], facts["responders"]) == (26, 3)


def test_the_real_address_is_the_tagged_version() -> None:
    real = DATA_SETS[NAME]
    assert real.base_url == "https://raw.githubusercontent.com/OpenNeuroDatasets/ds005917/1.0.1/"
    assert real.version in real.page
    assert {file.path for file in real.files if "/" in file.path} == {
        "phenotype/phenotype.tsv",
        "phenotype/phenotype.json",
    }
