"""Clipping against optax and PyTorch, and through an optimizer."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pellucid import optim

torch = pytest.importorskip("torch")

LIMITS = pytest.mark.parametrize("limit", [0.1, 1.0, 2.5, 1e3])


def gradients():
    rng = np.random.default_rng(0)
    return {"a": rng.normal(size=(3, 2)), "b": 5 * rng.normal(size=(4,)), "zero": np.zeros(2)}


@LIMITS
def test_global_norm_against_optax_and_pytorch(limit):
    g = gradients()
    ours = optim.clip_by_global_norm(np, g, limit)
    with jax.enable_x64(True):
        expected, _ = optax.clip_by_global_norm(limit).update(jax.tree.map(jnp.asarray, g), ())
    tensors = [torch.zeros(a.shape, dtype=torch.float64, requires_grad=True) for a in g.values()]
    for tensor, a in zip(tensors, g.values(), strict=True):
        tensor.grad = torch.tensor(a)
    norm = torch.nn.utils.clip_grad_norm_(tensors, limit)
    np.testing.assert_allclose(optim.global_norm(np, g), norm.item(), rtol=1e-14)
    for (path, a), tensor in zip(ours.items(), tensors, strict=True):
        np.testing.assert_allclose(a, expected[path], rtol=1e-13)
        # PyTorch adds 1e-6 to the norm that it divides by.
        np.testing.assert_allclose(a, tensor.grad.numpy(), rtol=2e-6)


@LIMITS
def test_norm_and_value_against_optax(limit):
    for a in gradients().values():
        with jax.enable_x64(True):
            norm, _ = optax.clip_by_global_norm(limit).update(jnp.asarray(a), ())
        np.testing.assert_allclose(optim.clip_by_norm(np, a, limit), norm, rtol=1e-13)
        np.testing.assert_array_equal(optim.clip_by_value(np, a, limit), np.clip(a, -limit, limit))


def test_short_gradients_keep_their_bits():
    for dtype in (np.float32, np.float64):
        g = {path: a.astype(dtype) for path, a in gradients().items()}
        for path, a in optim.clip_by_global_norm(np, g, 1e3).items():
            assert a.dtype == dtype
            assert a.tobytes() == g[path].tobytes()


@pytest.mark.parametrize("setting", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_through_an_optimizer(setting):
    g = gradients()
    optimizer = optim.SGD(1.0, **{setting: 0.5})
    expected = {
        "clipnorm": {path: optim.clip_by_norm(np, a, 0.5) for path, a in g.items()},
        "clipvalue": {path: np.clip(a, -0.5, 0.5) for path, a in g.items()},
        "global_clipnorm": optim.clip_by_global_norm(np, g, 0.5),
    }[setting]
    eager, _ = optimizer.update(g, optimizer.init(g), g)
    w = jax.tree.map(jnp.asarray, g)
    compiled, _ = jax.jit(optimizer.update)(w, optimizer.init(w), w)
    for path, a in expected.items():
        np.testing.assert_allclose(eager[path], -a, rtol=1e-15)
        np.testing.assert_allclose(compiled[path], -a, rtol=1e-5)
