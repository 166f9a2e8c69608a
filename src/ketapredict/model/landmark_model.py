"""The fitted model of one landmark as plain data: one coefficient vector and, at most, one booster."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ketapredict.features.design import Feature
from ketapredict.features.preparation import Design, DesignColumn, design_of
from ketapredict.model.additive import AdditiveModel, additive_model
from ketapredict.model.booster import Booster, read_booster
from ketapredict.model.scope import Scope
from ketapredict.model.training_profile import TrainingProfile
from ketapredict.model.tree_tables import TreeTables, tree_tables
from ketapredict.model.uncertainty import Uncertainty

# The members of a model that no course has fitted, its rate at most.
EVIDENCE_ONLY, RATE_ONLY = "evidence", "rate only"
type Features = Mapping[str, np.ndarray] | pd.DataFrame


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """What one member contributed: weight in the committee, chosen settings, own linear coefficients.

    `coefficients` is (p,) over the design columns of the landmark model, zeros for the trees.
    """

    name: str
    weight: float
    settings: dict[str, float]
    intercept: float
    coefficients: np.ndarray


@dataclass(frozen=True, slots=True)
class UpdatingFacts:
    """The last update for a new site: what was done, and the size of the courses that it was done with."""

    method: str
    courses: int
    events: int
    patients: int


@dataclass(frozen=True)
class LandmarkModel:
    """The committee of one landmark.

    log-odds = intercept + design matrix @ coefficients + tree_weight * margin of the booster.

    Attributes
    ----------
    landmark : str
    features : tuple of Feature
        All that the model reads, the outcome's threshold included.
    columns : tuple of DesignColumn
        p columns of the design matrix.
    coefficients : numpy.ndarray
        (p,) weighted mean of the linear members, per unit of the column.
    intercept : float
    members : tuple of MemberFacts
    tree_features : tuple of str
        Names of the features in the booster's order; empty without trees.
    tree_weight : float
        0 where the trees earned no weight.
    booster : bytes
        XGBoost UBJSON; empty without trees.
    courses, events, patients : int
        Size of the training data; not of what the model was updated with.
    uncertainty : Uncertainty or None
        Without it there are no intervals.
    scope : Scope or None
        What the training courses were like; without it nothing is said about it.
    updated : UpdatingFacts or None
        None for a model that was never held against a new site's courses.
    profile : TrainingProfile or None
        Counts of the training courses, for `monitor`; after an update still of the original training.
    """

    landmark: str
    features: tuple[Feature, ...]
    columns: tuple[DesignColumn, ...]
    coefficients: np.ndarray
    intercept: float
    members: tuple[MemberFacts, ...]
    tree_features: tuple[str, ...]
    tree_weight: float
    booster: bytes
    courses: int
    events: int
    patients: int
    uncertainty: Uncertainty | None = None
    scope: Scope | None = None
    updated: UpdatingFacts | None = None
    profile: TrainingProfile | None = None

    @property
    def event_rate(self) -> float:
        """Share of the training courses that had the outcome."""
        return self.events / self.courses

    @property
    def from_evidence(self) -> bool:
        """Whether no course has fitted it, its rate at most."""
        return all(member.name in (EVIDENCE_ONLY, RATE_ONLY) for member in self.members)

    @property
    def whose_courses(self) -> str:
        """What the courses of `courses` and `events` are, in words."""
        return "simulated courses" if self.from_evidence else "training courses"

    @property
    def latest_rate(self) -> float:
        """Share with the outcome among the courses of the last update, else of training: what to expect knowing
        nothing of a patient.
        """
        return self.updated.events / self.updated.courses if self.updated else self.event_rate

    @property
    def input_columns(self) -> tuple[str, ...]:
        """Columns of the cohort table that the estimate rests on, without the treatment arm."""
        names = {column.feature for column in self.columns} | set(self.tree_features)
        read = [f for f in self.features if f.name in names and f.concept != "treatment_arm"]
        return tuple(dict.fromkeys(name for feature in read for name in feature.columns))

    @cached_property
    def means(self) -> np.ndarray:
        """Training means of the design columns, (p,)."""
        return np.array([column.mean for column in self.columns])

    @cached_property
    def tables(self) -> TreeTables | None:
        """The booster written out as tables; None without trees."""
        if not self.booster:
            return None
        return tree_tables(self.trees, len(self.tree_features))

    @cached_property
    def trees(self) -> Booster:
        """The booster as plain arrays."""
        return read_booster(self.booster)

    @cached_property
    def additive(self) -> AdditiveModel:
        """The model arranged for contributions by concept of many courses."""
        concept_of = {feature.name: feature.concept for feature in self.features}
        tree_concepts = {name: concept_of[name] for name in self.tree_features}
        return additive_model(
            self.columns, self.coefficients, tree_concepts, self.tables, self.tree_weight, self.uncertainty
        )

    @cached_property
    def base_logit(self) -> float:
        """Log-odds that contributions are added to: the linear part at the training means plus the trees'
        cover-weighted expectation. It is not the log-odds of an average patient.
        """
        base = self.intercept + float(self.means @ self.coefficients)
        if self.tables is not None:
            base += self.tree_weight * self.tables.expectation
        return base

    def centred_design(self, frame: Features) -> np.ndarray:
        """Return the design matrix less the training means, (n, p)."""
        return np.asarray(self._design.matrix(frame) - self.means)

    def contributions(self, frame: Features, centred: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return exact contributions to the log-odds.

        Parameters
        ----------
        frame : pandas.DataFrame or mapping of str to numpy.ndarray
            (n, features) float64 from `features.design`.
        centred : numpy.ndarray or None
            (n, p) from `centred_design`, where the caller has it.

        Returns
        -------
        linear : numpy.ndarray
            (n, p) coefficient * (value - training mean) for each design column.
        trees : numpy.ndarray
            (n, tree features) weighted path-dependent TreeSHAP.
        """
        linear = (self.centred_design(frame) if centred is None else centred) * self.coefficients
        if self.tables is None:
            return linear, np.zeros((len(linear), 0))
        return linear, self.tree_weight * self.tables.contributions(self._tree_values(frame))

    def independent_log_odds(
        self, frame: Features, centred: np.ndarray | None = None, *, by_xgboost: bool = False
    ) -> np.ndarray:
        """Return log-odds (n,) by another way than the contributions: a matrix product and the trees themselves.

        The trees are walked here, without the cost of importing XGBoost, or by XGBoost itself.
        """
        centred = self.centred_design(frame) if centred is None else centred
        log_odds = self.intercept + (centred + self.means) @ self.coefficients
        if self.booster:
            log_odds = log_odds + self.tree_weight * self._margin(self._tree_values(frame), by_xgboost)
        return np.asarray(log_odds, dtype=float)

    @cached_property
    def _design(self) -> Design:
        return design_of(self.columns)

    def _margin(self, values: np.ndarray, by_xgboost: bool) -> np.ndarray:
        if not by_xgboost:
            return self.trees.margin(values)
        return np.asarray(self._booster.inplace_predict(values, predict_type="margin"))

    @cached_property
    def _booster(self) -> Any:
        from xgboost import Booster

        return Booster({"nthread": 1}, model_file=bytearray(self.booster))

    def _tree_values(self, frame: Features) -> np.ndarray:
        return np.column_stack([np.asarray(frame[name], dtype=float) for name in self.tree_features])
