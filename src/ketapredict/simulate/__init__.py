"""Simulated courses that agree with what is published, with a known truth."""

from ketapredict.simulate.cohort import simulate_cohort, simulate_with_truth, write_cohort, write_truth
from ketapredict.simulate.scenario import Scenario

__all__ = ["Scenario", "simulate_cohort", "simulate_with_truth", "write_cohort", "write_truth"]
