"""The evidence models: `python -m ketapredict.evidence_models REALDATA` writes the package's own and their cards.

One for each built-in protocol, and for the protocol of the open ketamine trial the card only: there it meets patients.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.mapping_file import mapping_folder
from ketapredict.cohort.outcomes import Outcome
from ketapredict.cohort.protocols import BUILT_IN, Protocol, load_protocol
from ketapredict.cohort.read import read_cohort
from ketapredict.fitting import evidence_response_model
from ketapredict.model.bundle import evidence_folder
from ketapredict.model.evidence_only import simulated_courses
from ketapredict.model.prior import OWN_PRIOR, read_prior
from ketapredict.report.card.card import model_card
from ketapredict.report.card.facts import CardFacts
from ketapredict.report.folder import CARD
from ketapredict.response_model import ResponseModel
from ketapredict.validate.evaluation import evaluate
from ketapredict.validate.study import Effort
from ketapredict.whole_files import make_folder, write_whole

# Of the simulated courses, for the pictures of the card.
SHOWN = 400
OPEN_KETAMINE_TRIAL = "nimh-ds005917"
BASELINES = {"first": "against the first baseline of all phases", "own": "against each phase's own baseline"}


@dataclass(frozen=True, slots=True)
class EvidenceModel:
    """An evidence model with its card.

    Attributes
    ----------
    model : ResponseModel
    card : str
        HTML, self-contained.
    """

    model: ResponseModel
    card: str


def evidence_model(
    protocol: Protocol,
    outcome: Outcome = "response",
    *,
    prior: str | Path = OWN_PRIOR,
    tried_on: Sequence[tuple[str, Cohort]] = (),
) -> EvidenceModel:
    """Make the evidence model of a protocol, and its card.

    Parameters
    ----------
    protocol : Protocol
        That gives ketamine.
    outcome : {"response", "remission"}
    prior : str or Path
        `evidence`, or the file of another prior.
    tried_on : sequence of (str, Cohort)
        Courses to evaluate it on, with what they are in words.

    Raises
    ------
    TrainingError
        If the protocol is of another treatment.
    FileError
        If the prior cannot be read.
    ProtocolError, ModelError, CohortError
        If it cannot be evaluated on the courses.
    """
    evidence = read_prior(outcome, None if str(prior) == OWN_PRIOR else Path(prior))
    model = evidence_response_model(protocol, outcome, evidence)
    courses = simulated_courses(protocol)
    shown = courses.subset(np.arange(len(courses)) < SHOWN)
    found = tuple((words, evaluate(model, cohort)) for words, cohort in tried_on)
    none = Effort(repeats=1, refits=0, curve_repeats=0)
    facts = CardFacts(model, shown, (), none, {}, evidence=evidence, tried_on=found)
    return EvidenceModel(model, model_card(facts).html)


def save_evidence_model(made: EvidenceModel, folder: Path) -> None:
    """Write `model/` and the card to a folder."""
    make_folder(folder)
    made.model.save(folder / "model")
    write_card(made, folder / f"{CARD}.html")


def write_card(made: EvidenceModel, path: Path) -> None:
    """Write the card."""
    write_whole({path: lambda target: target.write_text(made.card, "utf-8")})


def patients_of_the_open_trial(realdata: Path) -> tuple[Protocol, list[tuple[str, Cohort]]]:
    """Return the protocol of the open ketamine trial, and its patients against either baseline."""
    mappings = Path(str(mapping_folder()))
    protocol = load_protocol(mappings / f"{OPEN_KETAMINE_TRIAL}.protocol.toml")
    source = realdata / OPEN_KETAMINE_TRIAL.replace("-", "_")
    cohorts = []
    for name, words in BASELINES.items():
        cohort = read_cohort(source, mappings / f"{OPEN_KETAMINE_TRIAL}-{name}-baseline.toml", protocol)
        cohorts.append((f"Patients of the open NIMH ketamine trial (OpenNeuro ds005917), {words}", cohort))
    return protocol, cohorts


def main() -> None:
    """Write the package's models and all cards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("KETAPREDICT_REALDATA")
    parser.add_argument("realdata", type=Path, default=default, help="folder of the open trials")
    parser.add_argument("--models", type=Path, default=evidence_folder(), help="folder of the models")
    parser.add_argument("--cards", type=Path, default=Path("models"), help="folder of the cards")
    arguments = parser.parse_args()
    make_folder(arguments.cards)
    for protocol in BUILT_IN.values():
        made = evidence_model(protocol)
        make_folder(arguments.models)
        made.model.save(arguments.models / protocol.name)
        write_card(made, arguments.cards / f"{protocol.name}.html")
    protocol, cohorts = patients_of_the_open_trial(arguments.realdata)
    write_card(evidence_model(protocol, tried_on=cohorts), arguments.cards / f"{protocol.name}.html")


if __name__ == "__main__":
    main()
