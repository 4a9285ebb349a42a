"""The mathematics: a tape, the ops, back-propagation, finite differences, and their comparison."""

from pellucid.autodiff.backprop import backprop, gradients
from pellucid.autodiff.comparison import GradientReport, Kink, WeightCheck, check
from pellucid.autodiff.ctc import ctc
from pellucid.autodiff.culprits import Culprit
from pellucid.autodiff.finite_difference import FiniteDifference, finite_difference, measured
from pellucid.autodiff.op import OPS, Op, namespace, op
from pellucid.autodiff.spsa import SPSA
from pellucid.autodiff.tape import Array, Row, Tape, Value

__all__ = [
    "OPS",
    "SPSA",
    "Array",
    "Culprit",
    "FiniteDifference",
    "GradientReport",
    "Kink",
    "Op",
    "Row",
    "Tape",
    "Value",
    "WeightCheck",
    "backprop",
    "check",
    "ctc",
    "finite_difference",
    "gradients",
    "measured",
    "namespace",
    "op",
]
