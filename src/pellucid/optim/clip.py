"""Gradients cut down to size before an update, so that one wild batch can not throw the weights far off."""

from typing import Any


def clip_by_value(xp: Any, g: Any, limit: float) -> Any:
    """Each number of `g` limited to -limit … limit: `min(max(g, -limit), limit)`; shape and dtype as g.

    >>> import numpy as np
    >>> clip_by_value(np, np.array([-3.0, 0.5, 2.0]), 1.0)
    array([-1. ,  0.5,  1. ])
    """
    return xp.clip(g, -limit, limit)


def clip_by_norm(xp: Any, g: Any, limit: float) -> Any:
    """`g` scaled down, if its length is more than `limit`, to that length: `g · limit / max(‖g‖, limit)`.

    ‖g‖ is the root of the sum of squares. A shorter g is returned with the same bits, for the factor is 1.

    >>> import numpy as np
    >>> clip_by_norm(np, np.array([3.0, 4.0]), 1.0)
    array([0.6, 0.8])

    Source: Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks" (2013),
    arXiv:1211.5063.
    """
    return clip_by_global_norm(xp, {"g": g}, limit)["g"]


def clip_by_global_norm(xp: Any, gradients: dict[str, Any], limit: float) -> dict[str, Any]:
    """All gradients scaled by one factor, so that together they are no longer than `limit`.

    `g · limit / max(norm, limit)` with `norm = √ Σ ‖g‖²` over all of them: the direction stays.

    >>> import numpy as np
    >>> clip_by_global_norm(np, {"a": np.array([3.0]), "b": np.array([4.0])}, 1.0)
    {'a': array([0.6]), 'b': array([0.8])}

    Source: Pascanu, Mikolov, Bengio (2013), arXiv:1211.5063.
    """
    factor = limit / xp.maximum(global_norm(xp, gradients), limit)
    return {path: g * factor.astype(g.dtype) for path, g in gradients.items()}


def global_norm(xp: Any, gradients: dict[str, Any]) -> Any:
    """The length of all gradients taken as one vector: `√ Σ g²`, a scalar of their dtype.

    >>> import numpy as np
    >>> float(global_norm(np, {"a": np.array([3.0]), "b": np.array([[4.0]])}))
    5.0
    """
    return xp.sqrt(sum(xp.sum(g * g) for g in gradients.values()))
