"""The data dictionary of a REDCap project: its fields, their choices, and the columns of its raw export."""

import re
from dataclasses import dataclass
from pathlib import Path

from ketapredict.cohort.cells import as_text
from ketapredict.cohort.tables import read_table
from ketapredict.errors import FileError

EVENT = "redcap_event_name"
REPEAT_FORM = "redcap_repeat_instrument"
REPEAT_NUMBER = "redcap_repeat_instance"
DATA_ACCESS_GROUP = "redcap_data_access_group"
# As the designer's CSV writes them and as the programming interface does.
_HEADERS: dict[str, tuple[str, ...]] = {
    "name": ("Variable / Field Name", "field_name"),
    "form": ("Form Name", "form_name"),
    "kind": ("Field Type", "field_type"),
    "label": ("Field Label", "field_label"),
    "choices": ("Choices, Calculations, OR Slider Labels", "select_choices_or_calculations"),
    "validation": ("Text Validation Type OR Show Slider Number", "text_validation_type_or_show_slider_number"),
}
_CHOSEN = ("radio", "dropdown", "checkbox")
_TAG = re.compile(r"<[^>]+>")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a project.

    Attributes
    ----------
    name, form, kind, label : str
        `kind` is REDCap's field type: text, calc, radio, dropdown, checkbox, yesno, ...
    choices : tuple of (str, str)
        Code and label of each choice.
    validation : str
        `integer`, `number`, `date_dmy`, ...; empty without one.
    """

    name: str
    form: str
    kind: str
    label: str
    choices: tuple[tuple[str, str], ...] = ()
    validation: str = ""

    @property
    def is_number(self) -> bool:
        """Whether its cells are numbers that mean what they say."""
        return self.kind in ("calc", "slider") or self.validation.startswith(("integer", "number"))


def read_dictionary(path: str | Path) -> tuple[Field, ...]:
    """Read a data dictionary (CSV) in the order of its fields; the first names the record.

    Raises
    ------
    FileError
        If the file cannot be read or is no data dictionary.
    """
    table = read_table(path, missing=("",))
    columns = {}
    for key, names in _HEADERS.items():
        found = next((name for name in names if name in table.frame.columns), None)
        if found is None:
            raise FileError(
                f"{table.name}: expected a REDCap data dictionary with the columns "
                f"{', '.join(heading for heading, _ in _HEADERS.values())}; found none called {names[0]}. Download it "
                "under Data Dictionary in the project."
            )
        columns[key] = as_text(table.frame[found]).fillna("").tolist()
    rows = zip(*(columns[key] for key in _HEADERS), strict=True)
    return tuple(
        Field(
            name,
            form,
            kind.lower(),
            _plain(label),
            _choices(choices) if kind.lower() in _CHOSEN else (),
            validation.lower(),
        )
        for name, form, kind, label, choices, validation in rows
    )


def checkbox_column(field: str, code: str) -> str:
    """Return the column of a checkbox in an export: `field___1`; a minus is written as a further underscore."""
    return f"{field}___{code.lower().replace('-', '_')}"


def _choices(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (choice.partition(",") for choice in re.split(r"\s*\|\s*|\n", text) if "," in choice)
    return tuple((code.strip(), _plain(label)) for code, _, label in pairs)


def _plain(text: str) -> str:
    return " ".join(_TAG.sub(" ", text).split())
