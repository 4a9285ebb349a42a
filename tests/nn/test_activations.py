"""Every activation against PyTorch, and at the ends of the number line."""

import numpy as np
import pytest

from pellucid import Activation, Sequential, relu
from pellucid.autodiff import OPS, Tape, gradients, ops
from pellucid.errors import UsageError
from pellucid.nn.activations import NAMES, activate, check

torch = pytest.importorskip("torch")

F = torch.nn.functional
TORCH = {
    "linear": lambda x: x,
    "relu": F.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),  # Keras' slope; torch's own default is 0.01
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softplus": lambda x: F.softplus(x, threshold=40),
    "swish": F.silu,
    "silu": F.silu,
    "softmax": lambda x: F.softmax(x, dim=-1),
    "log_softmax": lambda x: F.log_softmax(x, dim=-1),
}
X = np.random.default_rng(0).normal(size=(6, 5)) * 4
C = np.random.default_rng(1).normal(size=(6, 5))


def ours(name, x, c):
    value = Tape({}).given("x", x)
    y = activate(name, value)
    return y.array, gradients(ops.sum(y * c), [value])[0].array


def test_every_activation_is_compared():
    assert TORCH.keys() == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_as_torch(name):
    x = torch.tensor(X, requires_grad=True)
    expected = TORCH[name](x)
    (expected * torch.tensor(C)).sum().backward()
    y, g = ours(name, X, C)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(g, x.grad.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_at_ten_thousand_nothing_overflows(name, dtype):
    x = np.array([[-1e4, 1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4]], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y, g = ours(name, x, np.ones_like(x))
    assert np.isfinite(y).all()
    assert np.isfinite(g).all()
    assert y.dtype == g.dtype == dtype
    expected = TORCH[name](torch.tensor(x)).numpy()
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-30)


def test_gelu_is_the_exact_one_and_not_the_tanh_approximation():
    y, _ = ours("gelu", np.array([[1.0]]), np.ones((1, 1)))
    assert y.item() == pytest.approx(0.8413447460685429, rel=1e-15)


def test_by_name_by_op_or_not_at_all():
    value = Tape({}).given("x", X)
    assert activate(None, value) is value
    np.testing.assert_array_equal(activate("relu", value).array, activate(relu, value).array)
    np.testing.assert_array_equal(activate(lambda v: v * 2.0, value).array, X * 2)


def test_an_unknown_name_names_the_near_one():
    with pytest.raises(UsageError, match=r"'rleu' is not known; did you mean 'relu'\? Known: linear, relu"):
        check("rleu")
    with pytest.raises(UsageError, match="activation 3 is not known"):
        Activation(3)
    check(OPS["tanh"])


def test_an_activation_may_be_a_layer():
    model = Sequential([Activation("softmax")])
    np.testing.assert_allclose(model.predict(X, engine="numpy").sum(axis=1), 1, rtol=1e-6)
