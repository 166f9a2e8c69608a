"""What commands share: options, exit statuses, where results and messages go."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

DONE, DONE_WITH_REJECTS, CANNOT = 0, 1, 2
GATE_SAID_NO = 1
ALARM = 1
INTERNAL_ERROR = 70


class OutcomeChoice(StrEnum):
    """Outcomes on the command line."""

    RESPONSE = "response"
    REMISSION = "remission"


class ArmsChoice(StrEnum):
    """Arms to train on."""

    ACTIVE = "active"
    ALL = "all"


class WeightsChoice(StrEnum):
    """Weights of the courses in the fits."""

    NONE = "none"
    COMPLETION = "completion"


class ExplainChoice(StrEnum):
    """How much of the contributions is written."""

    NONE = "none"
    TOP3 = "top3"
    ALL = "all"


class EngineChoice(StrEnum):
    """What computes."""

    LOCAL = "local"
    SPARK = "spark"


CohortPath = Annotated[Path, typer.Argument(metavar="COHORT", help="Table of courses, or folder that a mapping names.")]
MappingOption = Annotated[
    Path | None, typer.Option("--mapping", help="TOML: how your columns become the cohort's; or adam, sdtm.")
]
ProtocolOption = Annotated[
    str, typer.Option("--protocol", help="single-infusion, induction-course, or a TOML file of your own.")
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", help="Folder, evidence/PROTOCOL, models:/name@alias, runs:/id. Default: champion."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Same data and seed, same bytes.")]
OutcomeOption = Annotated[OutcomeChoice, typer.Option("--outcome", help="What is predicted.")]
DEFAULT_PROTOCOL = "induction-course"


def located_model(location: str | None, protocol: str, outcome: OutcomeChoice) -> Any:
    """Return the model at a location, or the champion of the protocol and outcome."""
    from ketapredict.cohort.protocols import load_protocol
    from ketapredict.response_model import ResponseModel

    if location is not None and ResponseModel.is_saved_in(location):
        # The registry is not needed, nor what it imports.
        return ResponseModel.load(location)
    from ketapredict.tracking.registry import champion, find_model

    if location is not None:
        return find_model(location)
    return champion(f"{load_protocol(protocol).name}-{outcome.value}")


def model_to_begin_with(location: str | None, protocol: str, outcome: OutcomeChoice) -> Any:
    """Return the model at a location or the champion; where there is none yet, the evidence model of the protocol."""
    from ketapredict.errors import ModelError
    from ketapredict.response_model import ResponseModel

    own = f"evidence/{protocol}"
    if location is not None or outcome is not OutcomeChoice.RESPONSE or not ResponseModel.is_saved_in(own):
        return located_model(location, protocol, outcome)
    try:
        return located_model(None, protocol, outcome)
    except ModelError:
        tell(f"No champion yet: the model is {own}, which no patient's outcome has trained.")
        return ResponseModel.load(own)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on a terminal that work is going on."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def refuse_empty(cohort: Any) -> None:
    """Refuse a cohort of which no course was accepted."""
    if not len(cohort):
        from ketapredict.errors import CohortError

        raise CohortError(
            f"All {cohort.counts.courses} courses were rejected. `ketapredict check COHORT --errors errors.csv` "
            "lists every broken rule."
        )


def rejects_status(number: int) -> int:
    """Return the exit status for a number of rejected rows."""
    return DONE_WITH_REJECTS if number else DONE


def leave(status: int) -> None:
    """End the command with an exit status, where it is not 0."""
    if status:
        raise typer.Exit(status)


def print_out(text: str) -> None:
    """Print a result on standard output."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def print_json(content: object) -> None:
    """Print a result as JSON on standard output."""
    print_out(json.dumps(content, indent=1, allow_nan=False))


def tell(text: str) -> None:
    """Print a message on standard error."""
    sys.stderr.write(text.rstrip("\n") + "\n")
