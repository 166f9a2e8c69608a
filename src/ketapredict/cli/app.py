"""All commands, and how they end: 0 done, 1 a no or rejects, 2 cannot be done, 70 a defect of the program."""

import os
import sys
from typing import NoReturn

import typer

from ketapredict.cli import cohorts, models, serving, uses
from ketapredict.cli.conventions import CANNOT, DONE, INTERNAL_ERROR, tell
from ketapredict.errors import KetapredictError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Who responds to ketamine infusions in depression, and why. Research software, not a medical device.",
)
for group in (cohorts, models, uses, serving):
    app.add_typer(group.commands)


def main() -> NoReturn:
    """Run the commands; a user's mistake ends in one message and exit status 2."""
    import warnings

    if not os.environ.get("KETAPREDICT_DEBUG"):
        # Warnings of libraries may quote data; what users must know is said by the commands.
        warnings.simplefilter("ignore")
    try:
        app()
    except KetapredictError as error:
        tell(f"Error: {error}")
        sys.exit(CANNOT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(DONE)
    except Exception as error:
        # A library's message or a traceback may hold a patient's value: neither is printed unasked.
        if os.environ.get("KETAPREDICT_DEBUG"):
            raise
        tell(
            f"Error inside ketapredict ({type(error).__name__}): this is a defect of the program, please report it. "
            "KETAPREDICT_DEBUG=1 shows the traceback, which may hold patients' values."
        )
        sys.exit(INTERNAL_ERROR)
    sys.exit(DONE)
