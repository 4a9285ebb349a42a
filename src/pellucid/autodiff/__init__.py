"""The mathematics: a tape, the ops, back-propagation, finite differences, and their comparison."""

from pellucid.autodiff.backprop import backprop, gradients
from pellucid.autodiff.comparison import GradientReport, WeightCheck, compare
from pellucid.autodiff.finite_difference import FiniteDifference, finite_difference
from pellucid.autodiff.op import OPS, Op, namespace, op
from pellucid.autodiff.tape import Array, Row, Tape, Value

__all__ = [
    "OPS",
    "Array",
    "FiniteDifference",
    "GradientReport",
    "Op",
    "Row",
    "Tape",
    "Value",
    "WeightCheck",
    "backprop",
    "compare",
    "finite_difference",
    "gradients",
    "namespace",
    "op",
]
