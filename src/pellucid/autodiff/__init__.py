"""The mathematics of a pass: a tape, the ops, back-propagation, random numbers."""

from pellucid.autodiff.backprop import backprop, gradients
from pellucid.autodiff.ctc import ctc
from pellucid.autodiff.op import OPS, Op, namespace, op
from pellucid.autodiff.tape import Array, Node, Tape, Value

__all__ = ["OPS", "Array", "Op", "Node", "Tape", "Value", "backprop", "ctc", "gradients", "namespace", "op"]
