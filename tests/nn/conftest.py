"""A layer beside PyTorch's arithmetic on the same weights."""

import numpy as np
import pytest

from pellucid.autodiff import Tape, gradients, ops


@pytest.fixture(scope="session")
def as_torch():
    """as_torch(layer, shape, twin, dtype): output and gradients equal those of twin(x, {name: weight})."""
    torch = pytest.importorskip("torch")

    def compare(layer, shape, twin, dtype):
        draw = np.random.default_rng(7)
        first = Tape({}, dtype=np.dtype(dtype).name)
        layer(first.given("x", draw.normal(size=shape).astype(dtype)))
        weights = {path: draw.normal(size=w.shape).astype(dtype) for path, w in first.parameters.items()}
        tape, x = Tape(weights), draw.normal(size=shape).astype(dtype)
        value = tape.given("x", x)
        y = layer(value)
        counts = draw.normal(size=y.shape).astype(dtype)
        found = gradients(ops.sum(y * counts), [value, *map(tape.parameter, weights)])
        t = torch.tensor(x, requires_grad=True)
        tensors = {path.split("/")[-1]: torch.tensor(w, requires_grad=True) for path, w in weights.items()}
        expected = twin(t, tensors)
        assert (y.array.dtype, y.shape) == (dtype, tuple(expected.shape))
        (expected * torch.tensor(counts)).sum().backward()
        forward, backward = (1e-5, 1e-4) if dtype == np.float32 else (1e-12, 1e-9)
        close(y.array, expected.detach().numpy(), forward)
        for ours, theirs in zip(found, [t, *tensors.values()], strict=True):
            assert ours.array.dtype == dtype
            close(ours.array, theirs.grad.numpy(), backward)

    return compare


def close(found, expected, bound):
    """Each number within `bound` of the largest of them: a sum loses what its largest terms lose."""
    assert found.shape == expected.shape
    assert np.abs(found - expected).max(initial=0) <= bound * max(1.0, np.abs(expected).max(initial=0))
