"""Protocols: the schedule of ratings, the landmarks at which a prediction is made, the outcome.

The order of the time points decides what is known when; hours only match visits to time points and
scale slopes.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ketapredict.errors import ProtocolError

PRE = "pre"
BASELINE = "baseline"
HOURS_PER_DAY = 24.0


@dataclass(frozen=True, slots=True)
class TimePoint:
    """A named moment at which the scale is rated.

    Attributes
    ----------
    name : str
    hours : float
        Hours after the start of infusion 1.
    window_hours : tuple of float
        First and last hour of a rating that counts for it (both included).
    """

    name: str
    hours: float
    window_hours: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Protocol:
    """A schedule.

    Attributes
    ----------
    name : str
    time_points : tuple of TimePoint
        In the order of time.
    landmarks : tuple of str
        `pre` or names of time points before the outcome, in the order of time.
    outcome : str
        Time point at which response and remission are judged.
    active_treatment : str
        The level of `arm` that is not the control.
    """

    name: str
    time_points: tuple[TimePoint, ...]
    landmarks: tuple[str, ...]
    outcome: str
    active_treatment: str = "ketamine"

    def __post_init__(self) -> None:
        """Refuse a schedule that contradicts itself."""
        names = [point.name for point in self.time_points]
        problems = []
        if not names:
            problems.append("at least one time point")
        if len(set(names)) != len(names):
            problems.append("time points with different names")
        if {PRE, BASELINE} & set(names):
            problems.append(f"time points not called {PRE} or {BASELINE}")
        if any(not name or not all(c.isalnum() or c in "_-" for c in name) for name in names):
            problems.append("names of letters, digits, - and _")
        hours = [point.hours for point in self.time_points]
        if hours != sorted(hours) or len(set(hours)) != len(hours):
            problems.append("time points in ascending order of hours")
        for point in self.time_points:
            low, high = point.window_hours
            if not 0 <= low <= point.hours <= high:
                problems.append(f"a window that holds the hour of {point.name}")
        if self.outcome not in names:
            problems.append("an outcome that is one of the time points")
        else:
            earlier = [PRE, *names[: names.index(self.outcome)]]
            if not self.landmarks or any(landmark not in earlier for landmark in self.landmarks):
                problems.append("landmarks out of `pre` and the time points before the outcome")
            elif list(self.landmarks) != sorted(set(self.landmarks), key=earlier.index):
                problems.append("different landmarks in the order of time")
        if self.active_treatment == "control":
            problems.append("an active treatment not called control")
        if problems:
            raise ProtocolError(f"Protocol {self.name}: expected " + "; ".join(problems) + ".")

    @property
    def gives_ketamine(self) -> bool:
        """Whether the active treatment is ketamine, or one of its enantiomers, by its name."""
        return "ketamine" in self.active_treatment.lower()

    @property
    def treatment_words(self) -> str:
        """What the courses are of, as far as the protocol says."""
        if self.gives_ketamine:
            return "ketamine infusions for depression"
        return f"NOT ketamine: the protocol's active treatment is `{self.active_treatment}`"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the time points in the order of time."""
        return tuple(point.name for point in self.time_points)

    def position(self, moment: str) -> int:
        """Return the place of a moment in the order of time: 0 for `pre`, then 1, 2, ...

        Raises
        ------
        ProtocolError
            If the protocol has no such time point.
        """
        if moment == PRE:
            return 0
        try:
            return self.names.index(moment) + 1
        except ValueError:
            raise ProtocolError(
                f"Protocol {self.name} has no time point {moment}; it has {', '.join(self.names)}."
            ) from None

    def time_point(self, name: str) -> TimePoint:
        """Return the time point of that name; raises ProtocolError where there is none."""
        return self.time_points[self.position(name) - 1]

    def points_until(self, landmark: str) -> tuple[TimePoint, ...]:
        """Return the time points at or before a landmark and before the outcome."""
        last = min(self.position(landmark), self.position(self.outcome) - 1)
        return self.time_points[:last]


def _protocol(
    name: str, points: str, landmarks: tuple[str, ...], outcome: str, active_treatment: str = "ketamine"
) -> Protocol:
    """Read the compact form `name hours low-high, ...`."""
    time_points = []
    for text in points.split(","):
        label, hours, window = text.split()
        low, high = window.split("-")
        time_points.append(TimePoint(label, float(hours), (float(low), float(high))))
    return Protocol(name, tuple(time_points), landmarks, outcome, active_treatment)


BUILT_IN: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        _protocol(
            "single-infusion",
            "40min 0.67 0.5-1, 2h 2 1.5-3, 4h 4 3-6, 24h 24 18-36, 72h 72 48-96, 7d 168 120-216",
            (PRE, "4h", "24h", "72h"),
            "7d",
        ),
        _protocol(
            "induction-course",
            "40min 0.67 0.5-1, 4h 4 3-6, 24h 24 18-36, inf2 72 60-96, inf3 120 108-160, inf4 192 168-216, "
            "end 288 264-408",
            (PRE, "4h", "24h", "inf3"),
            "end",
        ),
    )
}
DEFAULT_PROTOCOL = "induction-course"


def load_protocol(name_or_path: str | Path) -> Protocol:
    """Return a built-in protocol by its name, or read one from a TOML file.

    The file holds `name`, `landmarks`, `outcome`, optionally `active_treatment`, and one
    `[[time_point]]` table with `name`, `hours` and `window_hours = [low, high]` for each time point.

    Raises
    ------
    ProtocolError
        If it is neither, or the file is incomplete or contradicts itself.
    """
    if str(name_or_path) in BUILT_IN:
        return BUILT_IN[str(name_or_path)]
    path = Path(name_or_path)
    if not path.is_file():
        raise ProtocolError(
            f"Expected a protocol: {', '.join(BUILT_IN)}, or a TOML file; found no such file as {path.name}."
        )
    try:
        content = tomllib.loads(path.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{path.name}: expected TOML: {error}.") from None
    return protocol_from_plain(content, path.name)


def protocol_from_plain(content: dict[str, Any], source: str = "protocol") -> Protocol:
    """Build a protocol from plain data (the content of a TOML file or of a bundle).

    Raises
    ------
    ProtocolError
        If a field is missing, unknown or of the wrong type.
    """
    known = {"name", "time_point", "landmarks", "outcome", "active_treatment"}
    unknown = sorted(set(content) - known)
    missing = sorted(known - {"active_treatment"} - set(content))
    if unknown or missing:
        raise ProtocolError(
            f"{source}: expected the fields {', '.join(sorted(known))}"
            + (f"; missing: {', '.join(missing)}" if missing else "")
            + (f"; not known: {', '.join(unknown)}" if unknown else "")
            + "."
        )
    try:
        time_points = tuple(
            TimePoint(
                str(point["name"]),
                float(point["hours"]),
                (float(point["window_hours"][0]), float(point["window_hours"][1])),
            )
            for point in content["time_point"]
        )
    except (KeyError, IndexError, TypeError, ValueError):
        raise ProtocolError(
            f"{source}: expected name, hours and window_hours = [low, high] in each [[time_point]]."
        ) from None
    landmarks = content["landmarks"]
    if not isinstance(landmarks, (list, tuple)) or not all(isinstance(landmark, str) for landmark in landmarks):
        raise ProtocolError(f'{source}: expected landmarks as a list of texts, as in ["pre", "24h"].')
    return Protocol(
        str(content["name"]),
        time_points,
        tuple(landmarks),
        str(content["outcome"]),
        str(content.get("active_treatment", "ketamine")),
    )


def protocol_to_plain(protocol: Protocol) -> dict[str, Any]:
    """Return the protocol as plain data, the inverse of `protocol_from_plain`."""
    return {
        "name": protocol.name,
        "time_point": [
            {
                "name": point.name,
                "hours": float(point.hours),
                "window_hours": [float(hour) for hour in point.window_hours],
            }
            for point in protocol.time_points
        ],
        "landmarks": list(protocol.landmarks),
        "outcome": protocol.outcome,
        "active_treatment": protocol.active_treatment,
    }
