"""The probability with its interval as a bar, beside the rate of the training courses: plain SVG."""

from html import escape

from ketapredict.explain.words import interval_words, percent

WIDTH, HEIGHT, LEFT, RIGHT, MIDDLE = 720, 104, 24, 24, 52
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def probability_bar_svg(
    probability: float, p_low: float | None, p_high: float | None, rate: float, whose: str = "training courses"
) -> str:
    """Draw a probability (dot), its 90% interval (bar) and the courses' rate (dashed line) from 0 to 100%.

    Parameters
    ----------
    probability : float
    p_low, p_high : float or None
        Without them no bar is drawn.
    rate : float
        Share of the courses with the outcome.
    whose : str
        What these courses are.
    """
    interval = interval_words(p_low, p_high)
    told = f"Estimate {percent(probability)}{', ' + interval if interval else ''}; {whose} {percent(rate)}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="14" role="img" aria-label="{escape(told)}">',
        f'<rect x="{LEFT}" y="{MIDDLE - 9}" width="{WIDTH - LEFT - RIGHT}" height="18" fill="#e6ebf0"/>',
    ]
    for tick in _TICKS:
        anchor = {0.0: "start", 1.0: "end"}.get(tick, "middle")
        parts.append(
            f'<line x1="{_x(tick):.1f}" x2="{_x(tick):.1f}" y1="{MIDDLE + 9}" y2="{MIDDLE + 16}" stroke="#555"/>'
            f'<text x="{_x(tick):.1f}" y="{MIDDLE + 32}" text-anchor="{anchor}" fill="#444">{tick:.0%}</text>'
        )
    parts.append(
        f'<line x1="{_x(rate):.1f}" x2="{_x(rate):.1f}" y1="{MIDDLE - 20}" y2="{MIDDLE + 9}" stroke="#333" '
        'stroke-width="2" stroke-dasharray="4 3"/>'
        f'<text x="{_label_x(rate, 190):.1f}" y="{MIDDLE - 26}" text-anchor="middle" fill="#333">'
        f"{escape(whose)} {percent(rate)}</text>"
    )
    if p_low is not None and p_high is not None:
        parts.append(
            f'<rect x="{_x(p_low):.1f}" y="{MIDDLE - 9}" width="{max(_x(p_high) - _x(p_low), 2):.1f}" height="18" '
            'fill="#7fa8c9" stroke="#1f4e79"/>'
        )
    parts.append(
        f'<circle cx="{_x(probability):.1f}" cy="{MIDDLE}" r="9" fill="#0b2e4f" stroke="#fff" stroke-width="2"/></svg>'
    )
    return "".join(parts)


def _x(probability: float) -> float:
    return LEFT + probability * (WIDTH - LEFT - RIGHT)


def _label_x(probability: float, width: float) -> float:
    """Keep a centred label of about this width inside the picture."""
    return min(max(_x(probability), width / 2), WIDTH - width / 2)
