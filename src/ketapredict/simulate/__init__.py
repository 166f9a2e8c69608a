"""Simulated courses; a model trained on them says so everywhere it appears."""

from ketapredict.simulate.simple import simulate_cohort

__all__ = ["simulate_cohort"]
