"""Depression scales: range, items, recall window, severity bands, remission cut, sources.

A figure that no source read for this project confirms is named in `Scale.unconfirmed` and must be
shown as such.
"""

from dataclasses import dataclass
from typing import Literal

from ketapredict.errors import CohortError

# Rule of the recall window: a self-rating that looks back over days says little about hours.
RECALL_REFUSED_BEFORE_HOURS = 24.0
RECALL_WARNED_BEFORE_HOURS = 72.0


@dataclass(frozen=True, slots=True)
class Scale:
    """One rating scale.

    Attributes
    ----------
    name : str
        Name used in the cohort table.
    maximum : int
        Highest total, points; the lowest is 0 for all.
    rater : {"clinician", "self"}
    recall_days : int
        Length of the period that the rating looks back over.
    bands : tuple of (str, int)
        Severity bands as (name, highest total of the band), in ascending order.
    remission_cut : int or None
        Highest total that counts as remission; None where no source gives one.
    item_maxima : tuple of int
        Highest value of each item in the order of the form; empty where unknown.
    item_groups : tuple of tuple of int
        Groups of items (1-based) of which only the highest counts towards the total.
    suicidality_item : int or None
        Number of the item on suicidal thoughts.
    source : str
    unconfirmed : tuple of str
        Names of the attributes that no source read confirms.
    """

    name: str
    maximum: int
    rater: Literal["clinician", "self"]
    recall_days: int
    bands: tuple[tuple[str, int], ...]
    remission_cut: int | None
    item_maxima: tuple[int, ...]
    item_groups: tuple[tuple[int, ...], ...]
    suicidality_item: int | None
    source: str
    unconfirmed: tuple[str, ...]

    @property
    def suicidality_maximum(self) -> int | None:
        """Highest value of the scale's own item on suicidal thoughts."""
        if self.suicidality_item is None:
            return None
        return self.item_maxima[self.suicidality_item - 1] if self.item_maxima else None

    @property
    def looks_back_too_far_for_hours(self) -> bool:
        """Whether ratings of time points under three days are doubtful: self-rated over a week or more."""
        return self.rater == "self" and self.recall_days >= 7


_HAMD17_ITEMS = (4, 4, 4, 2, 2, 2, 4, 4, 4, 4, 4, 2, 2, 2, 4, 2, 2)

SCALES: dict[str, Scale] = {
    scale.name: scale
    for scale in (
        Scale(
            name="MADRS",
            maximum=60,
            rater="clinician",
            recall_days=7,
            bands=(("none", 6), ("mild", 19), ("moderate", 34), ("severe", 60)),
            remission_cut=9,
            item_maxima=(6,) * 10,
            item_groups=(),
            suicidality_item=10,
            source="Snaith bands; remission Hawley 2002 PMID 12200208, Zimmerman 2004 PMID 15101563; "
            "item 10: Wilkowska 2021 PMC9656070. Other trials use cuts of 10 (KetECT) and 12 (esketamine).",
            unconfirmed=(),
        ),
        Scale(
            name="HAMD-17",
            maximum=52,
            rater="clinician",
            recall_days=7,
            bands=(("none", 7), ("mild", 13), ("moderate", 19), ("severe", 25), ("very severe", 52)),
            remission_cut=7,
            item_maxima=_HAMD17_ITEMS,
            item_groups=(),
            suicidality_item=3,
            source="Bands and top total: ids-qids.org conversion table (Rush 2003); remission also Szegedi 2003.",
            unconfirmed=("item_maxima", "suicidality_item"),
        ),
        Scale(
            name="HAMD-24",
            maximum=75,
            rater="clinician",
            recall_days=7,
            bands=(("none", 9), ("mild", 18), ("moderate", 26), ("severe", 34), ("very severe", 75)),
            remission_cut=9,
            item_maxima=(),
            item_groups=(),
            suicidality_item=None,
            source="Bands, top total and remission (derived from the row): ids-qids.org conversion table.",
            unconfirmed=("recall_days",),
        ),
        Scale(
            name="QIDS-SR16",
            maximum=27,
            rater="self",
            recall_days=7,
            bands=(("none", 5), ("mild", 10), ("moderate", 15), ("severe", 20), ("very severe", 27)),
            remission_cut=5,
            item_maxima=(3,) * 16,
            item_groups=((1, 2, 3, 4), (6, 7, 8, 9), (15, 16)),
            suicidality_item=12,
            source="ids-qids.org.",
            unconfirmed=("item_groups", "suicidality_item"),
        ),
        Scale(
            name="IDS-SR30",
            maximum=84,
            rater="self",
            recall_days=7,
            bands=(("none", 13), ("mild", 25), ("moderate", 38), ("severe", 48), ("very severe", 84)),
            remission_cut=13,
            item_maxima=(3,) * 30,
            # Appetite (11, 12) and weight (13, 14) are each either/or.
            item_groups=((11, 12), (13, 14)),
            suicidality_item=18,
            source="ids-qids.org.",
            unconfirmed=("recall_days", "item_groups", "suicidality_item"),
        ),
        Scale(
            name="PHQ-9",
            maximum=27,
            rater="self",
            recall_days=14,
            bands=(
                ("minimal", 4),
                ("mild", 9),
                ("moderate", 14),
                ("moderately severe", 19),
                ("severe", 27),
            ),
            remission_cut=4,
            item_maxima=(3,) * 9,
            item_groups=(),
            suicidality_item=9,
            source="Remission under 5: McInnes 2022, SUSTAIN-3 (a VA report used 5 and under).",
            unconfirmed=("maximum", "bands", "suicidality_item"),
        ),
        Scale(
            name="BDI-II",
            maximum=63,
            rater="self",
            recall_days=14,
            bands=(("minimal", 13), ("mild", 19), ("moderate", 28), ("severe", 63)),
            remission_cut=13,
            item_maxima=(3,) * 21,
            item_groups=(),
            suicidality_item=9,
            source="Recalled; authors use remission cuts of 13 or 8.",
            unconfirmed=("maximum", "bands", "remission_cut", "suicidality_item"),
        ),
        Scale(
            name="HAMD-6",
            maximum=22,
            rater="clinician",
            recall_days=7,
            bands=(),
            remission_cut=None,
            item_maxima=(4, 4, 4, 4, 4, 2),
            item_groups=(),
            suicidality_item=None,
            source="Items 1, 2, 7, 8, 10 and 13 of HAMD-17; no confirmed bands or remission cut.",
            unconfirmed=("maximum", "item_maxima", "recall_days"),
        ),
    )
}


def scale_named(name: str) -> Scale:
    """Return the scale of that name.

    Raises
    ------
    CohortError
        If there is no such scale.
    """
    try:
        return SCALES[name]
    except KeyError:
        raise CohortError(f"Expected a scale out of {', '.join(SCALES)}; this one is not known.") from None


def severity_band(scale: Scale, score: float) -> str | None:
    """Return the name of the severity band of a total in points, None where the scale has no bands."""
    for name, highest in scale.bands:
        if score <= highest:
            return name
    return None
