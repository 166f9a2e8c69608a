"""The published figures that come with the package, as tables."""

import json
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import numpy as np
import pandas as pd

Table = Literal["targets", "arms", "trajectory", "predictors", "crosswalk", "exclusions"]
COMPARED_CERTAINTY = ("high", "moderate")
TARGET_TAGS = ("confirmed", "derived")


def evidence_table(name: Table) -> pd.DataFrame:
    """Read a table of published figures; its columns are those of the file (see its README)."""
    text = (files("ketapredict") / "data" / "evidence" / f"{name}.json").read_text("utf-8")
    return pd.DataFrame(json.loads(text))


def compared_targets() -> pd.DataFrame:
    """Return the targets of high or moderate certainty whose figures are confirmed, or derived from such."""
    targets = evidence_table("targets")
    kept = targets["certainty"].isin(COMPARED_CERTAINTY) & targets["verification"].isin(TARGET_TAGS)
    return targets[kept].reset_index(drop=True)


def confirmed_arm_figures() -> list[str]:
    """Return `<arm_id>: <field>` for every confirmed figure of the arms.

    A response, remission or baseline is confirmed where its `*_confirmed` says so; a change, an effect or a
    dropout where `unconfirmed_fields` does not name it; `further` holds confirmed figures only.
    """
    flags = {"response_pct": "response_confirmed", "remission_pct": "remission_confirmed"}
    flags["baseline_mean"] = "baseline_confirmed"
    figures = []
    for arm in evidence_table("arms").to_dict("records"):
        doubted = str(arm["unconfirmed_fields"]).split("; ")
        fields = [name for name, flag in flags.items() if pd.notna(arm[name]) and arm[flag] == "yes"]
        fields += [name for name in ("change_mean", "effect_size", "dropout_pct") if pd.notna(arm[name])]
        if "all" not in doubted:
            kept = [name for name in fields if name not in doubted]
            figures += [f"{arm['arm_id']}: {name}" for name in [*kept, *arm["further"]]]
    return figures


@lru_cache
def crosswalk_rows() -> dict[str, np.ndarray]:
    """Return the middle of each total's range by QIDS-SR16 total, (28,) each, keyed by scale."""
    table = evidence_table("crosswalk")
    scales = ("ids_sr30", "hrsd17", "hrsd21", "hrsd24")
    middle = {name: (table[f"{name}_low"] + table[f"{name}_high"]).to_numpy(float) / 2 for name in scales}
    return {"qids_sr16": table["qids_sr16"].to_numpy(float)} | middle
