"""The bundle: a response model as a folder of JSON and XGBoost UBJSON, readable and complete.

Loading one runs nobody's code. The same data and seed give the same bytes. It holds coefficients, means,
rounded knots, thresholds and quantiles, never a row of the training data.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ketapredict.cohort.columns import Column
from ketapredict.cohort.outcomes import OUTCOMES, Outcome
from ketapredict.cohort.protocols import Protocol, protocol_from_plain, protocol_to_plain
from ketapredict.errors import FileError, ModelError
from ketapredict.features.design import Feature
from ketapredict.features.preparation import DesignColumn
from ketapredict.model.landmark_model import LandmarkModel, MemberFacts, UpdatingFacts
from ketapredict.model.scope import InputRange, Scope, SeenLevels
from ketapredict.model.score_bands import ScoreBand
from ketapredict.model.training_profile import profile_from_plain
from ketapredict.model.uncertainty import Uncertainty

# In the provenance: of the accepted courses that a model was made with.
DATA_HASH = "data_sha256"

FORMAT = "ketapredict response model"
# 2: `bands`, the scores of the training courses by outcome.
FORMAT_VERSION = 2
MODEL_FILE = "model.json"
CHECKSUM = "content_sha256"
# `evidence/<protocol>`: a model that comes with the package.
EVIDENCE: Literal["evidence"] = "evidence"
TrainedOn = Literal["simulated", "evidence", "real"]
STATEMENTS: dict[str, str] = {
    "simulated": "SIMULATED: trained on simulated courses. Not validated on patients. Research software, not a "
    "medical device.",
    "evidence": "From published evidence and simulated courses. Not validated on patients. Research software, "
    "not a medical device.",
    "real": "Trained on real courses (their hash is in the provenance). Not validated on other patients. Research "
    "software, not a medical device.",
}
MARKS: dict[str, str] = {
    "simulated": "SIMULATED courses",
    "evidence": "published evidence and SIMULATED courses",
    "real": "real courses",
}


def bundle_folder(location: str | Path) -> Path:
    """Return the folder of a location; `evidence/<protocol>` is the package's own, unless there is one of that name."""
    path = Path(location)
    if path.parts[:1] == (EVIDENCE,) and len(path.parts) == 2 and not path.exists():
        return evidence_folder() / path.name
    return path


def evidence_folder() -> Path:
    """Return the folder of the evidence models that come with the package."""
    return Path(str(files("ketapredict") / "data" / "evidence-models"))


@dataclass(frozen=True, slots=True)
class Bundle:
    """A response model as plain data.

    Attributes
    ----------
    name : str
        `<protocol>-<outcome>`.
    outcome : {"response", "remission"}
    protocol : Protocol
    scales : tuple of str
        Scales of the training courses, in alphabetical order; courses on others are not scored.
    extras : tuple of Column
        Extra covariates of the training cohort: forms and readers need their declarations.
    with_arm : bool
        Whether control courses were trained on and the arm is a feature.
    trained_on : {"simulated", "evidence", "real"}
    provenance : dict
        Seed, hash of the training data, versions, counts, what cross-validation could not show: plain JSON values.
    landmarks : tuple of LandmarkModel
        In the order of time.
    bands : tuple of ScoreBand
        The scores of the training courses by outcome; those of the first training in a model that was updated.
    """

    name: str
    outcome: Outcome
    protocol: Protocol
    scales: tuple[str, ...]
    extras: tuple[Column, ...]
    with_arm: bool
    trained_on: TrainedOn
    provenance: dict[str, Any]
    landmarks: tuple[LandmarkModel, ...]
    bands: tuple[ScoreBand, ...]

    @property
    def statement(self) -> str:
        """The first line of everything that this model touches; its first sentence says it where it is not ketamine."""
        trained, rest = STATEMENTS[self.trained_on].split(". ", 1)
        evidence = [model for model in self.landmarks if model.from_evidence]
        moved = any(model.updated is not None for model in evidence)
        if self.trained_on == EVIDENCE and moved:
            trained += "; only its rate was moved by real courses (their hash is in the provenance)"
        elif evidence and self.trained_on != EVIDENCE:
            where = ", ".join(model.landmark for model in evidence)
            trained += f"; at {where} it is the evidence model, its rate at most moved by them"
        if not self.protocol.gives_ketamine:
            trained += f"; {self.protocol.treatment_words}"
        return f"{trained}. {rest}"

    def origin(self, model: LandmarkModel) -> TrainedOn:
        """Return what the model of one landmark was trained on: one that no course has fitted is of evidence."""
        return EVIDENCE if model.from_evidence and self.trained_on == "real" else self.trained_on

    def verdicts(self, landmark: str) -> tuple[str, ...] | None:
        """Return what cross-validation did not show of a landmark's model; None where it was not cross-validated."""
        found = self.provenance.get("verdicts", {}).get(landmark)
        return None if found is None else tuple(found)

    @property
    def mark(self) -> str:
        """What it was trained on in a few words: for tables and headings that are read or printed by themselves."""
        return f"model of {MARKS[self.trained_on]}{'' if self.protocol.gives_ketamine else ', NOT of ketamine'}"


def save_bundle(bundle: Bundle, folder: Path) -> None:
    """Write a bundle; a folder that holds one is replaced in one step.

    Raises
    ------
    FileError
        If the folder exists and holds something else, or cannot be written.
    """
    if folder.exists() and not (folder / MODEL_FILE).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileError(
            f"Expected {folder} to be absent, empty or a saved model; found other files. Choose another folder."
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise FileError(f"Cannot write the model to {folder}: {error.strerror}.") from None
    try:
        for name, content in bundle_files(bundle).items():
            (new / name).write_bytes(content)
        new.chmod(0o755)
        if folder.exists():
            old = new.with_name(new.name + ".old")
            folder.replace(old)
            new.replace(folder)
            shutil.rmtree(old)
        else:
            new.replace(folder)
    except OSError as error:
        shutil.rmtree(new, ignore_errors=True)
        raise FileError(f"Cannot write the model to {folder}: {error.strerror}.") from None


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle.

    Raises
    ------
    ModelError
        If there is none, it is damaged, or of another format version.
    """
    path = folder / MODEL_FILE
    if not path.is_file():
        raise ModelError(f"Expected a saved model (a folder with {MODEL_FILE}); found none at {folder}.")
    try:
        content = json.loads(path.read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ModelError(f"{path} is damaged: expected JSON. Save the model again.") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ModelError(f"{path} is not a ketapredict model.")
    if content.get("format_version") != FORMAT_VERSION:
        raise ModelError(
            f"{path}: expected format version {FORMAT_VERSION}, found {content.get('format_version')}. "
            "Train the model again with this version of ketapredict, or install the version that made it."
        )
    checksum = content.pop(CHECKSUM, None)
    if checksum != _checksum(content):
        raise ModelError(f"{path} was changed after it was saved: its checksum is another. Save the model again.")
    try:
        return _from_plain(content, folder)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is damaged: {type(error).__name__} at {error}. Save the model again.") from None


def bundle_sha256(bundle: Bundle) -> str:
    """Return the SHA-256 of a bundle's files: equal for equal models."""
    digest = hashlib.sha256()
    for name, content in sorted(bundle_files(bundle).items()):
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def bundle_files(bundle: Bundle) -> dict[str, bytes]:
    """Return the files of a saved bundle by name."""
    files = {_tree_file(model): model.booster for model in bundle.landmarks if model.booster}
    plain = _to_plain(bundle)
    plain[CHECKSUM] = _checksum(plain)
    files[MODEL_FILE] = (json.dumps(plain, indent=1, allow_nan=False) + "\n").encode()
    return files


def _checksum(plain: dict[str, Any]) -> str:
    """Return the SHA-256 of the content: of JSON with sorted keys and no blanks."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _tree_file(model: LandmarkModel) -> str:
    return f"trees-{model.landmark}.ubj"


def _to_plain(bundle: Bundle) -> dict[str, Any]:
    return {
        "statement": bundle.statement,
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": bundle.name,
        "outcome": bundle.outcome,
        "trained_on": bundle.trained_on,
        "protocol": protocol_to_plain(bundle.protocol),
        "scales": list(bundle.scales),
        "extras": [asdict(column) for column in bundle.extras],
        "with_arm": bundle.with_arm,
        "provenance": bundle.provenance,
        "bands": [asdict(band) for band in bundle.bands],
        "landmarks": [_landmark_to_plain(model) for model in bundle.landmarks],
    }


def _landmark_to_plain(model: LandmarkModel) -> dict[str, Any]:
    return {
        "landmark": model.landmark,
        "courses": model.courses,
        "events": model.events,
        "patients": model.patients,
        "intercept": model.intercept,
        "design": [
            asdict(column) | {"coefficient": float(coefficient)}
            for column, coefficient in zip(model.columns, model.coefficients, strict=True)
        ],
        "trees": {
            "weight": model.tree_weight,
            "features": list(model.tree_features),
            "file": _tree_file(model) if model.booster else None,
            "sha256": hashlib.sha256(model.booster).hexdigest() if model.booster else None,
        },
        "uncertainty": model.uncertainty.to_plain() if model.uncertainty else None,
        "scope": asdict(model.scope) if model.scope else None,
        "features": [asdict(feature) for feature in model.features],
        "members": [asdict(member) | {"coefficients": member.coefficients.tolist()} for member in model.members],
        **({"updated": asdict(model.updated)} if model.updated else {}),
        **({"training_profile": asdict(model.profile)} if model.profile else {}),
    }


def _from_plain(content: dict[str, Any], folder: Path) -> Bundle:
    outcome, trained_on = content["outcome"], content["trained_on"]
    if outcome not in OUTCOMES or trained_on not in STATEMENTS:
        raise ValueError("outcome or trained_on")
    return Bundle(
        name=str(content["name"]),
        outcome=outcome,
        protocol=protocol_from_plain(content["protocol"], MODEL_FILE),
        scales=tuple(content["scales"]),
        extras=tuple(_record(Column, extra) for extra in content["extras"]),
        with_arm=bool(content["with_arm"]),
        trained_on=trained_on,
        provenance=content["provenance"],
        landmarks=tuple(_landmark_from_plain(plain, folder) for plain in content["landmarks"]),
        bands=tuple(_record(ScoreBand, band) for band in content["bands"]),
    )


def _landmark_from_plain(plain: dict[str, Any], folder: Path) -> LandmarkModel:
    trees = plain["trees"]
    booster = b""
    if trees["file"] is not None:
        path = folder / Path(trees["file"]).name
        booster = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(booster).hexdigest() != trees["sha256"]:
            raise ModelError(f"{path} is missing or damaged: its SHA-256 is not the one in {MODEL_FILE}.")
    return LandmarkModel(
        landmark=plain["landmark"],
        features=tuple(_record(Feature, feature) for feature in plain["features"]),
        columns=tuple(_record(DesignColumn, column) for column in plain["design"]),
        coefficients=np.array([column["coefficient"] for column in plain["design"]], dtype=float),
        intercept=float(plain["intercept"]),
        members=tuple(
            MemberFacts(m["name"], m["weight"], m["settings"], m["intercept"], np.array(m["coefficients"]))
            for m in plain["members"]
        ),
        tree_features=tuple(trees["features"]),
        tree_weight=float(trees["weight"]),
        booster=booster,
        courses=int(plain["courses"]),
        events=int(plain["events"]),
        patients=int(plain["patients"]),
        uncertainty=Uncertainty.from_plain(plain["uncertainty"]) if plain.get("uncertainty") else None,
        scope=_scope(plain["scope"]) if plain.get("scope") else None,
        updated=_record(UpdatingFacts, plain["updated"]) if plain.get("updated") else None,
        profile=profile_from_plain(plain["training_profile"]) if plain.get("training_profile") else None,
    )


def _scope(plain: dict[str, Any]) -> Scope:
    return Scope(
        ranges=tuple(_record(InputRange, found) for found in plain["ranges"]),
        levels=tuple(_record(SeenLevels, found) for found in plain["levels"]),
        never_missing=tuple(plain["never_missing"]),
        inputs=tuple(plain["inputs"]),
        most_missing=int(plain["most_missing"]),
        largest_deviation=float(plain["largest_deviation"]),
    )


def _record[T](kind: type[T], plain: dict[str, Any]) -> T:
    """Build a dataclass from JSON: its fields only, lists as tuples."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    values = {name: plain[name] for name in names}
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def data_hashes(provenance: dict[str, Any]) -> Iterator[str]:
    """Yield the hashes of all data that a model has seen, the latest first, those of its parents included."""
    for name, value in provenance.items():
        if name == DATA_HASH:
            yield str(value)
        elif isinstance(value, dict):
            yield from data_hashes(value)
