"""Totals of one scale as totals of another: MADRS is the common unit of severity.

Rows of ids-qids.org (QIDS-SR16, IDS-SR30, HRSD17, HRSD24: Rush 2003, Trivedi 2004) in the packaged
`crosswalk.json`, with MADRS = 1.3 x HRSD17 (Leucht 2018, PMID 29031182), within 1.5 points of the seven
published QIDS-MADRS anchors (PMID 24144585). BDI-II from HAMD 10, 20, 30 = 13, 32, 50 (Furukawa 2019).

Assumed, as no published table was retrieved: PHQ-9 counts like QIDS-SR16 (same range); HAMD-6 is 0.55 of
HAMD-17. Ties of the published rows are spread by linear interpolation; totals above the last row run
linearly to the top of both scales.
"""

from functools import lru_cache

import numpy as np

from ketapredict.cohort.scales import SCALES
from ketapredict.simulate.evidence import crosswalk_rows

MADRS_PER_HAMD17 = 1.3
HAMD6_PER_HAMD17 = 0.55
_BDI_ANCHORS = ((0.0, 0.0), (10.0, 13.0), (20.0, 32.0), (30.0, 50.0))
_TOP_MADRS = 60.0


@lru_cache
def knots(scale: str) -> tuple[np.ndarray, np.ndarray]:
    """Return matching totals (native, MADRS), both strictly rising from 0 to the top, piecewise linear between."""
    top = SCALES[scale].maximum + 0.49  # a whole-number top score has a width of its own
    if scale == "MADRS":
        return np.array([0.0, top]), np.array([0.0, top])
    if scale == "HAMD-17":
        pairs = [(0.0, 0.0), (30.0, 30.0 * MADRS_PER_HAMD17)]
    elif scale == "HAMD-6":
        pairs = [(0.0, 0.0), (30.0 * HAMD6_PER_HAMD17, 30.0 * MADRS_PER_HAMD17)]
    elif scale == "BDI-II":
        pairs = [(bdi, hamd * MADRS_PER_HAMD17) for hamd, bdi in _BDI_ANCHORS]
    else:
        column = {"QIDS-SR16": "qids_sr16", "PHQ-9": "qids_sr16", "IDS-SR30": "ids_sr30", "HAMD-24": "hrsd24"}[scale]
        rows = crosswalk_rows()
        pairs = [(0.0, 0.0), *zip(rows[column][1:-1], MADRS_PER_HAMD17 * rows["hrsd17"][1:-1], strict=True)]
    native, madrs = (np.array(values, float) for values in zip(*pairs, (top, _TOP_MADRS + 0.49), strict=True))
    # A tie of two rows is spread half way to its neighbours.
    for i in np.flatnonzero(np.diff(madrs) <= 0):
        madrs[i] -= 0.25 * (madrs[i] - madrs[i - 1])
        madrs[i + 1] += 0.25 * (madrs[i + 2] - madrs[i + 1])
    return native, madrs


def to_madrs(totals: np.ndarray, scale: str) -> np.ndarray:
    """Convert native totals, points, any shape, to the MADRS total of the same severity."""
    converted: np.ndarray = np.interp(totals, *knots(scale))
    return converted


def from_madrs(totals: np.ndarray, scale: str) -> np.ndarray:
    """Convert MADRS totals to native totals, the inverse of `to_madrs`."""
    native, madrs = knots(scale)
    converted: np.ndarray = np.interp(totals, madrs, native)
    return converted


def madrs_per_point(totals: np.ndarray, scale: str) -> np.ndarray:
    """Return the slope of `to_madrs` at native totals."""
    native, madrs = knots(scale)
    slopes = np.diff(madrs) / np.diff(native)
    at: np.ndarray = slopes[np.clip(np.searchsorted(native, totals, side="right") - 1, 0, len(slopes) - 1)]
    return at
