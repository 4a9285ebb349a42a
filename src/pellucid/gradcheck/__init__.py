"""Gradients by changing weights and measuring the loss, and their comparison with those of back-propagation."""

from pellucid.gradcheck.comparison import GradientReport, Kink, WeightCheck, check
from pellucid.gradcheck.difference import central
from pellucid.gradcheck.finite_difference import FiniteDifference, finite_difference, measured
from pellucid.gradcheck.rule_check import Culprit
from pellucid.gradcheck.spsa import SPSA

__all__ = [
    "SPSA",
    "Culprit",
    "FiniteDifference",
    "GradientReport",
    "Kink",
    "WeightCheck",
    "central",
    "check",
    "finite_difference",
    "measured",
]
