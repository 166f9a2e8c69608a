"""The patient's scores over time against those of the training courses: numbers first, then a picture of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from ketapredict.cohort.cells import is_missing
from ketapredict.cohort.protocols import BASELINE, Protocol
from ketapredict.cohort.scales import Scale
from ketapredict.explain.words import moment_words
from ketapredict.model.score_bands import QUANTILES, ScoreBand

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 340, 52, 24, 20, 86
_LOWER, _MEDIAN, _UPPER = (QUANTILES.index(share) for share in (0.25, 0.5, 0.75))
# With the outcome: solid line, filled. Without: dashed line, hatched. Never told apart by colour alone.
_STYLES = {True: ("#1f6f50", "", "#cfe6da"), False: ("#9a4d00", "7 4", "url(#hatch)")}


@dataclass(frozen=True, slots=True)
class GroupScores:
    """Median and middle half of one group of training courses at one time point, in points of the patient's scale."""

    courses: int
    lower: float
    median: float
    upper: float


@dataclass(frozen=True, slots=True)
class ScoreAt:
    """One time point.

    Attributes
    ----------
    time_point : str
    label : str
        In words.
    score : float or None
        The patient's, points.
    with_outcome, without_outcome : GroupScores or None
        None where the group was too small, or the model holds no bands.
    """

    time_point: str
    label: str
    score: float | None
    with_outcome: GroupScores | None
    without_outcome: GroupScores | None


def scores_over_time(
    values: Mapping[str, object], protocol: Protocol, scale: Scale, bands: Sequence[ScoreBand]
) -> tuple[ScoreAt, ...]:
    """Put a patient's scores beside the bands; time points of which nothing is known are left out.

    Parameters
    ----------
    values : mapping of str to object
        A row of the cohort table.
    protocol : Protocol
    scale : Scale
        The patient's.
    bands : sequence of ScoreBand
        Of the model; relative to the scale's highest total.
    """
    by_group = {(band.time_point, band.with_outcome): band for band in bands}

    def group(time_point: str, with_outcome: bool) -> GroupScores | None:
        band = by_group.get((time_point, with_outcome))
        if band is None:
            return None
        points = [value * scale.maximum for value in band.quantiles]
        return GroupScores(band.courses, points[_LOWER], points[_MEDIAN], points[_UPPER])

    found = []
    for name in (BASELINE, *protocol.names):
        value = values.get(f"score_{name}")
        score = None if is_missing(value) else float(str(value))
        at = ScoreAt(name, _label(name), score, group(name, True), group(name, False))
        if at.score is not None or at.with_outcome or at.without_outcome:
            found.append(at)
    return tuple(found)


def scores_svg(
    points: Sequence[ScoreAt], scale: Scale, outcome: str, landmark: str, threshold: float | None = None
) -> str:
    """Draw scores and bands; time points stand in order, at equal distances.

    Parameters
    ----------
    points : sequence of ScoreAt
    scale : Scale
    outcome : str
    landmark : str
        Where the estimate was made: a vertical line; none before infusion 1.
    threshold : float or None
        Highest score that counts as the outcome: a horizontal line.
    """
    highest = _top(points, scale)
    words = {True: f"with {outcome}", False: f"without {outcome}"}
    told = "; ".join(f"{at.label} {at.score:g}" for at in points if at.score is not None)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="13" role="img" '
        f'aria-label="{escape(scale.name)} scores over time: {escape(told)}. The table has all numbers.">',
        '<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="7" height="7" fill="#fbeee0"/><line x1="0" x2="0" y1="0" y2="7" stroke="#d9a066" '
        'stroke-width="2"/></pattern></defs>',
    ]
    step = _step(highest)
    for tick in range(0, int(highest) + 1, step):
        y = _y(tick, highest)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#444">{tick}</text>'
        )
    for place, at in enumerate(points):
        x = _x(place, len(points))
        for line, text in enumerate(_lines(at.label)):
            parts.append(
                f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20 + 14 * line}" text-anchor="middle" font-size="12" '
                f'fill="#333">{escape(text)}</text>'
            )
        if at.time_point == landmark:
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#111" '
                f'stroke-dasharray="2 3"/><text x="{x - 5:.1f}" y="{TOP + 10}" text-anchor="end" font-size="12" '
                'fill="#111">estimate made here</text>'
            )
    for with_outcome in (False, True):
        parts.append(_band(points, with_outcome, highest))
    if threshold is not None and 0 < threshold < highest:
        y = _y(threshold, highest)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#444" '
            f'stroke-dasharray="1 4" stroke-width="2"/><text x="{LEFT + 6}" y="{y + 15:.1f}" font-size="12" '
            f'fill="#222" stroke="#fff" stroke-width="3" paint-order="stroke">{escape(outcome)}: {threshold:g} or '
            "less at the end</text>"
        )
    parts.append(_patient(points, highest))
    parts.append(_legend(words))
    parts.append("</svg>")
    return "".join(parts)


def _label(time_point: str) -> str:
    return "baseline" if time_point == BASELINE else moment_words(time_point)


def _top(points: Sequence[ScoreAt], scale: Scale) -> float:
    """Return the top of the axis: above all that is drawn, within the scale."""
    drawn = [at.score for at in points if at.score is not None]
    drawn += [g.upper for at in points for g in (at.with_outcome, at.without_outcome) if g]
    step = _step(scale.maximum)
    return float(min(scale.maximum, math.ceil((max(drawn, default=scale.maximum) * 1.08) / step) * step))


def _step(highest: float) -> int:
    return next(step for step in (1, 2, 5, 10, 20) if highest / step <= 8)


def _x(place: int, count: int) -> float:
    inner = WIDTH - LEFT - RIGHT - 60
    return LEFT + 30 + (inner * place / (count - 1) if count > 1 else inner / 2)


def _y(score: float, highest: float) -> float:
    return HEIGHT - BOTTOM - score / highest * (HEIGHT - BOTTOM - TOP)


def _lines(label: str) -> list[str]:
    """Break a label after its second word or so: it stands under a column."""
    words, lines = label.split(), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) > 10:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _band(points: Sequence[ScoreAt], with_outcome: bool, highest: float) -> str:
    groups = [(place, at.with_outcome if with_outcome else at.without_outcome) for place, at in enumerate(points)]
    known = [(_x(place, len(points)), group) for place, group in groups if group]
    if not known:
        return ""
    colour, dashes, fill = _STYLES[with_outcome]
    upper = [f"{x:.1f},{_y(group.upper, highest):.1f}" for x, group in known]
    lower = [f"{x:.1f},{_y(group.lower, highest):.1f}" for x, group in reversed(known)]
    median = " ".join(f"{x:.1f},{_y(group.median, highest):.1f}" for x, group in known)
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<polygon points="{" ".join([*upper, *lower])}" fill="{fill}" fill-opacity="0.75"/>'
        f'<polyline points="{median}" fill="none" stroke="{colour}" stroke-width="2.5"{dash}/>'
    )


def _patient(points: Sequence[ScoreAt], highest: float) -> str:
    known = [(_x(place, len(points)), at.score) for place, at in enumerate(points) if at.score is not None]
    path = " ".join(f"{x:.1f},{_y(score, highest):.1f}" for x, score in known)
    parts = [f'<polyline points="{path}" fill="none" stroke="#111" stroke-width="2.5"/>']
    for x, score in known:
        y = _y(score, highest)
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="#111" stroke="#fff" stroke-width="1.5"/>'
            f'<text x="{x + 8:.1f}" y="{y - 8:.1f}" font-weight="bold" stroke="#fff" stroke-width="4" '
            f'paint-order="stroke">{score:g}</text>'
        )
    return "".join(parts)


def _legend(words: dict[bool, str]) -> str:
    y, parts, x = HEIGHT - 14, [], float(LEFT)
    parts.append(
        f'<line x1="{x}" x2="{x + 26}" y1="{y - 4}" y2="{y - 4}" stroke="#111" stroke-width="2.5"/>'
        f'<circle cx="{x + 13}" cy="{y - 4}" r="5" fill="#111"/><text x="{x + 34}" y="{y}">this patient</text>'
    )
    x += 140
    for with_outcome, text in words.items():
        colour, dashes, fill = _STYLES[with_outcome]
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        parts.append(
            f'<rect x="{x}" y="{y - 13}" width="30" height="17" fill="{fill}"/>'
            f'<line x1="{x}" x2="{x + 30}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}" stroke-width="2.5"{dash}/>'
            f'<text x="{x + 38}" y="{y}">courses {escape(text)}</text>'
        )
        x += 260
    return "".join(parts)
