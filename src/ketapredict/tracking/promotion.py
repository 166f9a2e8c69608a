"""The gate at work: fetch what it decides on, decide, write the decision down, move the alias.

The order is such that the table tells the truth after any interruption. First the decision, as a line on
the disk; then the same in MLflow; then the alias; then a line that it moved. Where that last line is
missing, the next call looks where the alias is and writes down which of the two happened.
"""

import json
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ketapredict.errors import ModelError, TrackingError
from ketapredict.tracking.decision_log import (
    DECISION,
    MOVED,
    NOT_MOVED,
    TABLE,
    Line,
    append,
    read_log,
    unconfirmed,
)
from ketapredict.tracking.evidence import Decision
from ketapredict.tracking.gate import MARGINS, decide
from ketapredict.tracking.gathering import HoldOut, gather
from ketapredict.tracking.registry import find_model
from ketapredict.tracking.run_figures import fetch_run_figures
from ketapredict.tracking.runs import CHAMPION, experiment_id, registered_name
from ketapredict.tracking.store import Store, open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "ketapredict-gate"
LINE_TAG, TABLE_TAG = "line_sha256", "table"
DECISION_FILE = "decision.json"
# Other stores than SQLite allow fewer characters in a tag than MLflow itself.
_TAG_LENGTH = 4000


@dataclass(frozen=True, slots=True)
class Promotion:
    """A decision and what became of it.

    Attributes
    ----------
    name, version : str
    statement : str
        Of the version.
    champion_before, champion_after : str or None
        Versions.
    decision : Decision
    notes : tuple of str
        What a reader must know next to it.
    table : Path
        Where the decision is written.
    line : int
        Its line there.
    run_id : str
        The gate's run in MLflow.
    """

    name: str
    version: str
    statement: str
    champion_before: str | None
    champion_after: str | None
    decision: Decision
    notes: tuple[str, ...]
    table: Path
    line: int
    run_id: str

    @property
    def told(self) -> str:
        """The answer in a sentence or two."""
        if self.decision.yes:
            was = f" in place of version {self.champion_before}" if self.champion_before else ""
            return f"Yes ({self.decision.word}): version {self.version} is now the champion of {self.name}{was}."
        stays = f"version {self.champion_before} stays champion" if self.champion_before else "there is no champion"
        failed = "; ".join(check.name for check in self.decision.failed)
        return f"No: version {self.version} of {self.name} does not pass ({failed}); {stays}."

    def as_text(self) -> str:
        """Return the decision for a reader: every check, then the answer."""
        checks = [
            f"{check.verdict:<14}  {check.name}: {check.requirement}. {check.reason}" for check in self.decision.checks
        ]
        notes = [f"Note: {note}." for note in self.notes]
        written = f"Written to {self.table}, line {self.line}, and to MLflow (run {self.run_id})."
        return "\n".join([self.statement, *checks, *notes, "", self.told, written])

    def plain(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        return {
            "statement": self.statement,
            "name": self.name,
            "version": self.version,
            "decision": "yes" if self.decision.yes else "no",
            "word": self.decision.word,
            "champion_before": self.champion_before,
            "champion_after": self.champion_after,
            "margins": asdict(MARGINS),
            "checks": [asdict(check) for check in self.decision.checks],
            "notes": list(self.notes),
            "log": {"table": str(self.table), "line": self.line, "run_id": self.run_id},
        }


def promote(version: str, name: str, *, hold_out: HoldOut | None = None, allow_simulated: bool = False) -> Promotion:
    """Let the gate decide whether a version becomes the champion of its name, and carry it out.

    Parameters
    ----------
    version : str
        A number, `latest`, an alias such as `challenger`, or `models:/NAME/VERSION`.
    name : str
        `<protocol>-<outcome>`, where the version does not say it.
    hold_out : HoldOut or None
        Needed where champion and version were not trained on the same courses.
    allow_simulated : bool

    Returns
    -------
    Promotion
        A no is a result, not an error.

    Raises
    ------
    ModelError
        If there is no such version, it is the champion already, or it cannot be compared.
    TrackingError
        If the store cannot be used, the table of decisions was changed, or the champion is another by now.
    CohortError, ProtocolError, FileError, MappingError
        If the hold-out cannot be used.
    """
    location, name = _location(version, registered_name(name))
    challenger = find_model(location)
    number = challenger.version
    with open_store(create=False) as store:
        import mlflow

        client = mlflow.MlflowClient()
        table = store.folder / TABLE
        _verify(client, store, table)
        before = _champion(client, name)
        _settle(table, name, before)
        outside = _made_elsewhere(table, name, before)
        if before == number:
            raise ModelError(
                f"Expected a version that is not the champion; version {number} of {name} is. Nothing was decided."
            )
        own = fetch_run_figures(client, name, challenger)
    champion = find_model(f"models:/{name}@{CHAMPION}") if before else None
    theirs = None
    if champion is not None:
        with open_store(create=False):
            theirs = fetch_run_figures(client, name, champion)
    evidence, notes, data_sha256 = gather((challenger, own), (champion, theirs), hold_out, table.parent)
    notes += outside
    decision = decide(evidence, allow_simulated=allow_simulated)
    entry = {
        "event": DECISION,
        "decision": "yes" if decision.yes else "no",
        "word": decision.word,
        "name": name,
        "version": number,
        "model_sha256": challenger.sha256,
        "data_sha256": str(challenger.bundle.provenance.get("data_sha256", "")),
        "champion": before,
        "champion_sha256": champion.sha256 if champion else None,
        "hold_out": {"file": hold_out.path.name, "data_sha256": data_sha256} if hold_out else None,
        "allow_simulated": allow_simulated,
        "margins": asdict(MARGINS),
        "checks": [asdict(check) for check in decision.checks],
        "notes": list(notes),
        "ketapredict": metadata.version("ketapredict"),
    }
    with open_store(create=False) as store:
        line = append(table, entry)
        run_id = _log(client, store, table, line)
        after = _move(client, table, line, before) if decision.yes else before
    return Promotion(
        name, number, challenger.bundle.statement, before, after, decision, notes, table, line.number, run_id
    )


def decisions() -> list[Line]:
    """Return the lines of the table that goes with the store. Raises TrackingError if it was changed."""
    with open_store(create=False) as store:
        import mlflow

        table = store.folder / TABLE
        return _verify(mlflow.MlflowClient(), store, table)


def _location(version: str, name: str) -> tuple[str, str]:
    """Return where the version is and the name that it is registered under."""
    if version.startswith("models:/"):
        path = version.removeprefix("models:/").strip("/")
        name = path.partition("@")[0] if "@" in path else path.partition("/")[0]
        if name == path:
            raise ModelError(f"Expected models:/NAME/VERSION or models:/NAME@ALIAS; found {version}.")
        return version, name
    if version.isdigit() or version == "latest":
        return f"models:/{name}/{version}", name
    return f"models:/{name}@{version}", name


def _champion(client: "MlflowClient", name: str) -> str | None:
    aliases: dict[str, Any] = client.get_registered_model(name).aliases
    return str(aliases[CHAMPION]) if CHAMPION in aliases else None


def _verify(client: "MlflowClient", store: Store, table: Path) -> list[Line]:
    """Read the table; where all decisions of a store are in one table, none may be missing.

    Raises
    ------
    TrackingError
        If a line was changed or taken out.
    """
    lines = read_log(table)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if store.artifact_location is None or experiment is None:
        return lines
    runs = client.search_runs([experiment.experiment_id], max_results=5000)
    known = {line.sha256 for line in lines}
    lost = [run.info.run_id for run in runs if run.data.tags.get(LINE_TAG) not in known]
    if lost:
        raise TrackingError(
            f"{table}: expected the line of every decision that MLflow's experiment {EXPERIMENT} holds; {len(lost)} "
            f"missing or changed (the first: run {lost[-1]}). Put back the copy that was not changed; nothing is "
            "decided until then."
        )
    return lines


def _settle(table: Path, name: str, champion: str | None) -> None:
    """Write down what became of a yes that was interrupted."""
    line = unconfirmed(read_log(table), name)
    if line is None:
        return
    moved = line.content.get("version") == champion
    append(table, _outcome(line, line.content.get("champion"), moved=moved) | {"found_later": True})


def _made_elsewhere(table: Path, name: str, champion: str | None) -> tuple[str, ...]:
    """Say so where the champion is none that the gate made."""
    moves = [line.content for line in read_log(table) if line.content.get("event") == MOVED]
    made = [content.get("version") for content in moves if content.get("name") == name]
    if champion is None or made[-1:] == [champion]:
        return ()
    return (f"version {champion} became champion without this gate: no line of {table.name} says so",)


def _outcome(line: Line, before: str | None, *, moved: bool) -> dict[str, Any]:
    return {
        "event": MOVED if moved else NOT_MOVED,
        "decision_line": line.number,
        "name": line.content["name"],
        "version": line.content["version"],
        "from": before,
    }


def _log(client: "MlflowClient", store: Store, table: Path, line: Line) -> str:
    """Add the decision to MLflow: a run with the line as an artefact, and a tag on the version."""
    content = line.content
    failed = [check["name"] for check in content["checks"] if check["verdict"] == "fail"]
    told = f"{content['decision']} by {content['who']}: " + (content["word"] or f"failed: {', '.join(failed)}")
    name, version = content["name"], content["version"]
    tags = {
        "decision": content["decision"],
        "model": name,
        "version": version,
        "champion": content["champion"] or "",
        "who": content["who"],
        LINE_TAG: line.sha256,
        TABLE_TAG: f"{table.name}, line {line.number}",
        "mlflow.note.content": told[:_TAG_LENGTH],
    }
    run = client.create_run(
        experiment_id(client, EXPERIMENT, store), tags=tags, run_name=f"{name} {version}: {content['decision']}"
    )
    client.log_text(run.info.run_id, json.dumps(content, indent=1) + "\n", DECISION_FILE)
    client.set_terminated(run.info.run_id)
    stamp = content["time"].replace("-", "").replace(":", "").replace("+0000", "Z")
    key = f"gate.{stamp}.{line.number}"
    taken = client.get_model_version(name, version).tags
    while key in taken:  # tables in two folders may hold a line of one number in one second
        key += ".1"
    client.set_model_version_tag(name, version, key, told[:_TAG_LENGTH])
    return str(run.info.run_id)


def _move(client: "MlflowClient", table: Path, line: Line, before: str | None) -> str:
    """Move the alias, unless it is no longer where the decision found it."""
    name, version = line.content["name"], line.content["version"]
    now = _champion(client, name)
    if now != before:
        append(table, _outcome(line, before, moved=False) | {"champion_now": now})
        raise TrackingError(
            f"The champion of {name} became version {now} while version {version} was compared with version {before}. "
            "Nothing was moved; promote again."
        )
    client.set_registered_model_alias(name, CHAMPION, version)
    append(table, _outcome(line, before, moved=True))
    return str(version)
