"""How many of the numbers of a compiled step its replay may ask for without changing a bit of what it computes."""

from __future__ import annotations

from enum import IntEnum

from pellucid.engine.step import Pass, last_node


class Fidelity(IntEnum):
    """Which numbers of an opened step are the compiled step's own; the others are worked out from those.

    XLA computes several nodes in one go, and rounds otherwise when a node in their midst is wanted too. So the next
    level is tried where one changes a bit of the state that the step ends in.
    """

    EVERY_NUMBER = 0
    PRODUCTS = 1
    FORWARD_PRODUCTS = 2
    LAYERS = 3
    WEIGHTS = 4

    @property
    def sentence(self) -> str:
        """What of the step is its own, in words."""
        return _SENTENCES[self]

    def kept(self, done: Pass) -> list[bool]:
        """Of each node of a pass, whether its numbers are kept: at the finest, all but those between prediction and
        loss; then all that are no elementwise ops, which are what is mostly computed in one go."""
        nodes = done.loss.tape.nodes
        loss = range(last_node(done.y_pred) + 1, done.loss.node.index + 1)
        if self is Fidelity.EVERY_NUMBER:
            return [node.op is None or node.index not in loss for node in nodes]
        if self <= Fidelity.FORWARD_PRODUCTS:
            last = len(nodes) if self is Fidelity.PRODUCTS else loss.start
            return [
                node.op is None or (node.index < last and node.index not in loss and not node.op.elementwise)
                for node in nodes
            ]
        outputs = {node.path: node.index for node in nodes[: loss.start] if node.op is not None and node.path}
        wanted = {index for path, index in outputs.items() if self is Fidelity.LAYERS and "/" not in path}
        return [node.op is None or node.index in wanted for node in nodes]


_SENTENCES = {
    Fidelity.EVERY_NUMBER: "every number",
    Fidelity.PRODUCTS: "every product, sum and reduction, forward and back,",
    Fidelity.FORWARD_PRODUCTS: "every product, sum and reduction of the forward pass",
    Fidelity.LAYERS: "the outermost layers' outputs",
    Fidelity.WEIGHTS: "weights and loss",
}
