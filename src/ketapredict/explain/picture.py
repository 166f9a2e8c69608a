"""A patient's contributions as a waterfall: plain SVG, readable without colour."""

import textwrap
from html import escape

import numpy as np

from ketapredict.explain.words import concept_label, interval_words, percent
from ketapredict.model.log_odds import expit, logit

WIDTH, ROW, TOP, LEFT, RIGHT = 760, 30, 108, 220, 150
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
TICK_LABEL = 30  # wide enough for two digits and a sign
MOST_ROWS = 10
COMPACT_WIDTH, COMPACT_ROW, COMPACT_ROWS = 560, 24, 6
BAR_LOWEST = 0.005


def waterfall_svg(
    steps: list[tuple[str, float, float, float]],
    base_logit: float,
    title: str,
    statement: str,
    interval: tuple[float, float] | None = None,
    *,
    compact: bool = False,
) -> str:
    """Draw the steps from the base value to the estimate, largest first.

    Positions are log-odds, in which contributions add up; the axis is labelled in probabilities.

    Parameters
    ----------
    steps : list of (str, float, float, float)
        From `explain.words.steps_largest_first`; beyond ten the smallest are drawn as one.
    base_logit : float
    title, statement : str
        First and second line of the picture.
    interval : tuple of float or None
        90% interval of the probability, drawn as a bar through the estimate.
    compact : bool
        For a printed page that says title and statement itself: without them, narrow and with fewer rows, so that it
        can be read at 12 cm.

    Returns
    -------
    str
        An SVG document.
    """
    rows = [(concept_label(concept), contribution) for concept, contribution, _, _ in steps]
    most, width, row, top = MOST_ROWS, WIDTH, ROW, TOP
    if compact:
        most, width, row, top = COMPACT_ROWS, COMPACT_WIDTH, COMPACT_ROW, 12
    if len(rows) > most:
        rest = rows[most - 1 :]
        rows = [*rows[: most - 1], (f"{len(rest)} other concepts", sum(value for _, value in rest))]
    ends = np.cumsum([base_logit, *(value for _, value in rows)])
    # An end at 0% or 100% would be infinitely far away.
    bar = None if interval is None else logit(np.clip(interval, BAR_LOWEST, 1.0 - BAR_LOWEST))
    reach = ends if bar is None else np.r_[ends, bar]
    low, high = reach.min() - 0.3, reach.max() + 0.3

    def x(log_odds: float) -> float:
        return LEFT + (log_odds - low) / (high - low) * (width - LEFT - RIGHT)

    height = top + row * (len(rows) + 2) + 40
    bottom = height - 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="13" role="img" '
        f'aria-label="{escape(title)}">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        *([] if compact else _head(title, statement)),
    ]
    labelled = -np.inf
    for tick in TICKS:
        at = x(float(logit(tick)))
        if not LEFT <= at <= width - RIGHT:
            continue
        label = f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle" fill="#444">{tick:.0%}</text>'
        if at - labelled < TICK_LABEL:  # it would stand in the one before
            label = ""
        else:
            labelled = at
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top - 6}" y2="{bottom}" stroke="#ddd"/>{label}')
    y = top
    parts.append(_marker("start of the model", x(base_logit), y, percent(float(expit(base_logit)))))
    for (label, value), before, after in zip(rows, ends[:-1], ends[1:], strict=True):
        y += row
        left, right = sorted((x(before), x(after)))
        colour, sign = ("#1f6f50", "+") if value >= 0 else ("#9a4d00", "−")
        parts.append(
            f'<text x="{LEFT - 10}" y="{y + 17}" text-anchor="end">{escape(label)}</text>'
            f'<line x1="{x(before):.1f}" x2="{x(before):.1f}" y1="{y - 6}" y2="{y + 4}" stroke="#888"/>'
            f'<rect x="{left:.1f}" y="{y + 4}" width="{max(right - left, 1):.1f}" height="{row - 12}" '
            f'fill="{colour}"/>'
            f'<text x="{right + 6:.1f}" y="{y + 17}">{sign} to {percent(float(expit(after)))}</text>'
        )
    y += row
    words, beside = percent(float(expit(ends[-1]))), x(float(ends[-1]))
    if bar is not None and interval is not None:
        left, right = x(float(bar[0])), x(float(bar[1]))
        middle = y + 13
        parts.append(
            f'<g stroke="#111" stroke-width="2"><title>{interval_words(*interval)}</title>'
            f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{middle}" y2="{middle}"/>'
            f'<line x1="{left:.1f}" x2="{left:.1f}" y1="{middle - 6}" y2="{middle + 6}"/>'
            f'<line x1="{right:.1f}" x2="{right:.1f}" y1="{middle - 6}" y2="{middle + 6}"/></g>'
        )
        beside = right
        words += f" ({percent(interval[0])} to {percent(interval[1])})"
    parts.append(_marker("estimate", x(float(ends[-1])), y, words, beside))
    parts.append("</svg>\n")
    return "\n".join(parts)


def _head(title: str, statement: str) -> list[str]:
    return [
        *(
            f'<text x="12" y="{20 + 16 * line}" font-size="12" font-weight="bold" fill="#8a1c00">{escape(text)}</text>'
            for line, text in enumerate(textwrap.wrap(statement, 105))
        ),
        f'<text x="12" y="64" font-size="15" font-weight="bold">{escape(title)}</text>',
        '<text x="12" y="86" font-size="12" fill="#444">What moves the estimate, largest first; '
        "+ raises it, − lowers it</text>",
    ]


def _marker(label: str, position: float, y: float, words: str, beside: float | None = None) -> str:
    """Draw a dot, and words to the right of it or of what else reaches further."""
    return (
        f'<text x="{LEFT - 10}" y="{y + 17}" text-anchor="end" font-weight="bold">{escape(label)}</text>'
        f'<circle cx="{position:.1f}" cy="{y + 13}" r="5"/>'
        f'<text x="{(position if beside is None else beside) + 10:.1f}" y="{y + 17}" font-weight="bold">{words}</text>'
    )
