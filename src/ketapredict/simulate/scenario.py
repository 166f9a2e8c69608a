"""What is simulated: one frozen set of options, plain data."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from ketapredict.cohort.protocols import BUILT_IN, DEFAULT_PROTOCOL, Protocol
from ketapredict.cohort.scales import Scale, scale_named
from ketapredict.simulate.schedule import MAXIMUM_INFUSIONS, in_order, numbered_infusions

Design = Literal["auto", "single", "course", "gradual"]
Setting = Literal["clinic", "trial"]
Control = Literal["none", "midazolam", "saline", "anaesthesia"]

DIAGNOSES = ("MDD", "BD-I", "BD-II", "BD")
CORRELATION_RANGE = (0.3, 0.8)
DROPOUT_RANGE = (0.04, 0.20)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Options of the simulator.

    Attributes
    ----------
    protocol : Protocol
        Time points, landmarks and outcome; any protocol works.
    scale : str
        Name of the rating scale.
    setting : {"clinic", "trial"}
        `trial`: research patients, severe, clinician-rated, open unless there is a control. `clinic`:
        routine care, wider severity, fewer robust courses.
    design : {"auto", "single", "course", "gradual"}
        One infusion; a course of infusions; another treatment, that works over weeks. `auto` reads it from
        the protocol (`time_course.design_of`). Numbered infusions (`inf2`, ...) are a course and nothing else.
    control : {"none", "midazolam", "saline", "anaesthesia"}
        Comparator. With one, courses are blinded, and the table has the column `arm`. `anaesthesia` is
        saline under surgical anaesthesia, of one infusion.
    control_share : float
        Share of courses that get the control, 0 to 1; 0 without a control.
    n_sites : int
        Number of sites, >= 1.
    diagnosis_shares : tuple of float
        Shares of MDD, BD-I, BD-II and unspecified BD; they sum to 1.
    early_end_correlation : float
        Correlation of the improvement at the first rating from 18 h on with that at the outcome, 0.3 to
        0.8: the least certain input (EVIDENCE.md).
    dropout : float
        Share of courses without an outcome, 0.04 to 0.20 (Gutierrez 2024 11.3%, Shiroma 2014 14.3%).
    missing_share : float
        Mean share of empty cells in a covariate, 0 to 0.5, at random; assumed.
    infusion_days : tuple of float
        Days of the infusions of a course, from 0; empty: from the protocol.

    Raises
    ------
    ValueError
        If an option is outside its range; the message says what was expected.
    CohortError
        If there is no such scale.
    """

    protocol: Protocol = field(default_factory=lambda: BUILT_IN[DEFAULT_PROTOCOL])
    scale: str = "MADRS"
    setting: Setting = "clinic"
    design: Design = "auto"
    control: Control = "none"
    control_share: float = 0.0
    n_sites: int = 6
    diagnosis_shares: tuple[float, float, float, float] = (0.70, 0.10, 0.14, 0.06)
    early_end_correlation: float = 0.5
    dropout: float = 0.11
    missing_share: float = 0.10
    infusion_days: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse options outside their range, all in one message."""
        scale_named(self.scale)
        low, high = CORRELATION_RANGE
        numbered = numbered_infusions(self.protocol)
        many = len(self.infusion_days) > 1 or bool(numbered)
        rules = {
            "at least one site": self.n_sites >= 1,
            f"a setting out of {', '.join(get_args(Setting))}": self.setting in get_args(Setting),
            f"a design out of {', '.join(get_args(Design))}": self.design in get_args(Design),
            f"a control out of {', '.join(get_args(Control))}": self.control in get_args(Control),
            "a control share from 0 to 1, 0 without a control": 0 <= self.control_share <= 1
            and (self.control != "none" or self.control_share == 0),
            "four shares of diagnoses (MDD, BD-I, BD-II, BD) from 0 to 1 that sum to 1": len(self.diagnosis_shares) == 4
            and min(self.diagnosis_shares) >= 0
            and abs(sum(self.diagnosis_shares) - 1.0) < 1e-6,
            f"an early-to-end correlation from {low} to {high}": low <= self.early_end_correlation <= high,
            "a dropout from 0.04 to 0.20": DROPOUT_RANGE[0] <= self.dropout <= DROPOUT_RANGE[1],
            "a missing share from 0 to 0.5": 0 <= self.missing_share <= 0.5,
            "infusion days in ascending order from day 0, at most 30": not self.infusion_days
            or (
                self.infusion_days[0] == 0
                and list(self.infusion_days) == sorted(set(self.infusion_days))
                and len(self.infusion_days) <= MAXIMUM_INFUSIONS
            ),
            f"at most {MAXIMUM_INFUSIONS} infusions (time points inf1 to inf{MAXIMUM_INFUSIONS})": max(
                numbered, default=0
            )
            <= MAXIMUM_INFUSIONS,
            "numbered infusions (inf2, ..., rated 24 h after them) after day 0 and in order": in_order(numbered),
            "design course, or auto, for a protocol with numbered infusions (inf2, ...)": not many
            or self.design in ("auto", "course"),
            "a control other than anaesthesia for a course": self.control != "anaesthesia"
            or not (self.design == "course" or (self.design == "auto" and many)),
        }
        broken = [expected for expected, met in rules.items() if not met]
        if broken:
            raise ValueError("expected " + "; ".join(broken))

    @property
    def rating_scale(self) -> Scale:
        """The rating scale itself."""
        return scale_named(self.scale)
