"""Figures of the model card: tables in, one SVG out, to be inlined in a page."""

from ketapredict.report.figures.beeswarm import beeswarm_figure
from ketapredict.report.figures.calibration import calibration_figure
from ketapredict.report.figures.decision import decision_figure
from ketapredict.report.figures.dependence import BinnedDependence, binned_dependence, dependence_figure
from ketapredict.report.figures.instability import calibration_instability_figure, instability_figure
from ketapredict.report.figures.learning import learning_figure
from ketapredict.report.figures.sites import site_figure
from ketapredict.report.figures.subgroups import subgroup_figure

__all__ = [
    "BinnedDependence",
    "beeswarm_figure",
    "binned_dependence",
    "calibration_figure",
    "calibration_instability_figure",
    "decision_figure",
    "dependence_figure",
    "instability_figure",
    "learning_figure",
    "site_figure",
    "subgroup_figure",
]
