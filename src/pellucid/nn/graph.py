"""A network is a graph of layers: each has a path, and keeps its own weights; by path they are one flat dict.

    autoencoder          encoder
      encoder/dense  ──>   dense        one object, one set of weights, a path in each network that it stands in
      decoder/dense

So what is trained through one network is seen by every other that holds the layer.
"""

from __future__ import annotations

import copy
from dataclasses import MISSING, fields
from typing import Any

from pellucid.nn.layer import Layer, joined, layers_of

Arrays = dict[str, Any]


def weights_of(root: Layer) -> tuple[Arrays, Arrays]:
    """The arrays that the layers of a network keep, by path: those that are trained, and those that are not."""
    trained: Arrays = {}
    untrained: Arrays = {}
    for path, layer in layers_of(root).items():
        trained |= {joined(path, name): array for name, array in layer.weight_store.trained.items()}
        untrained |= {joined(path, name): array for name, array in layer.weight_store.untrained.items()}
    return trained, untrained


def give_back(root: Layer, trained: Arrays, untrained: Arrays) -> None:
    """Each array to the layer that it belongs to: the deepest one on its path.

    A layer that is made in the first pass does not exist yet when a file is read: until then its arrays stay with the
    layer that will make it.
    """
    layers = layers_of(root)
    for layer in layers.values():
        layer.weight_store.trained, layer.weight_store.untrained = {}, {}
    for kind, arrays in (("trained", trained), ("untrained", untrained)):
        for path, array in arrays.items():
            owner, name = _owner(layers, path)
            getattr(owner.weight_store, kind)[name] = array


def skeleton(root: Layer) -> Layer:
    """A copy of a network with its settings alone: no weights, nothing of what was done with it."""
    apart: dict[int, Any] = {}
    for layer in layers_of(root).values():
        for declared in fields(layer):
            if declared.name in layer.beside_settings and (held := vars(layer).get(declared.name)) is not None:
                made = declared.default_factory
                apart[id(held)] = declared.default if made is MISSING else made()
    return copy.deepcopy(root, apart)


def _owner(layers: dict[str, Layer], path: str) -> tuple[Layer, str]:
    above = path
    while above:
        above = above.rpartition("/")[0]
        if above in layers:
            return layers[above], path.removeprefix(above).lstrip("/")
    return layers[""], path
