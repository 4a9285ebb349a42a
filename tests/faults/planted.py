"""Runs with one thing wrong each: in the numbers, the steps, the layers."""

from __future__ import annotations

from fault_tools import BINARY, SPARSE, Fault, blobs, column, moons, step_of, surface, trained

import pellucid as pl


class Logarithm(pl.Layer):
    """A layer that a person wrote, with no thought of 0."""

    def __call__(self, x):
        return pl.log(pl.relu(x))


class Sign(pl.Layer):
    """A step function: 1 where x is above 0."""

    def __call__(self, x):
        return (x > 0.0) * 1.0


def bad_row_overflows():
    x, y = surface()
    x[77] = 1e30
    return trained([pl.Dense(8, "relu"), pl.Dense(1)], x, y, "mse", pl.SGD(0.01), batch_size=16)


def bad_target_overflows():
    x, y = surface()
    y[101] = 1e25
    return trained([pl.Dense(8, "tanh"), pl.Dense(1)], x, y, "mse", pl.SGD(0.01), batch_size=16)


def logarithm_of_zero():
    x, y = surface()
    return trained([pl.Dense(8), Logarithm(), pl.Dense(1)], x, y, "mse", pl.SGD(0.001), batch_size=16)


def spike_by_row():
    x, y = surface()
    x[50] *= 1e3
    return trained([pl.Dense(16, "relu"), pl.Dense(1)], x, y, "mse", pl.SGD(0.01), batch_size=8, epochs=1)


def spike_by_target():
    x, y = surface()
    y[33] = 1e4
    return trained([pl.Dense(16, "tanh"), pl.Dense(1)], x, y, "mse", pl.SGD(0.001), batch_size=8, epochs=1)


def spike_by_schedule():
    x, y = surface()
    rate = pl.PiecewiseConstantDecay([99, 100], [0.05, 3.0, 0.05])
    return trained([pl.Dense(16, "tanh"), pl.Dense(1)], x, y, "mse", pl.SGD(rate), batch_size=16, epochs=12)


def rate_1000_times_sgd():
    x, y = surface()
    return trained([pl.Dense(16, "relu"), pl.Dense(1)], x, y, "mse", pl.SGD(10.0), batch_size=16)


def rate_1000_times_adam():
    x, y = blobs()
    return trained([pl.Dense(16, "tanh"), pl.Dense(16, "tanh"), pl.Dense(3)], x, y, SPARSE, pl.Adam(3.0), epochs=20)


def rate_too_high_binary():
    x, y = moons(noise=0.5)
    return trained([pl.Dense(16, "relu"), pl.Dense(1)], x, column(y), BINARY, pl.Adam(5.0), epochs=20)


def rate_too_high_momentum():
    x, y = surface()
    return trained([pl.Dense(32, "tanh"), pl.Dense(1)], x, y, "mse", pl.SGD(0.9, momentum=0.95), epochs=20)


def rate_too_low_sgd():
    x, y = blobs()
    return trained([pl.Dense(16, "relu"), pl.Dense(3)], x, y, SPARSE, pl.SGD(1e-7), epochs=10)


def rate_too_low_adam():
    x, y = surface()
    return trained([pl.Dense(16, "relu"), pl.Dense(1)], x, y, "mse", pl.Adam(1e-7), epochs=10)


def rate_zero():
    x, y = blobs()
    return trained([pl.Dense(16, "relu"), pl.Dense(3)], x, y, SPARSE, pl.Adam(0.0))


def schedule_ends_early():
    x, y = surface()
    rate = pl.CosineDecay(0.01, decay_steps=15)
    return trained([pl.Dense(16, "tanh"), pl.Dense(1)], x, y, "mse", pl.Adam(rate), epochs=15)


def schedule_drops_to_nothing():
    x, y = blobs(apart=0.8)
    rate = pl.PiecewiseConstantDecay([20], [0.01, 1e-9])
    return trained([pl.Dense(16, "tanh"), pl.Dense(3)], x, y, SPARSE, pl.SGD(rate), epochs=15)


def batch_of_one():
    x, y = surface(noise=1.0)
    return trained([pl.Dense(16, "tanh"), pl.Dense(1)], x, y, "mse", pl.SGD(0.06), batch_size=1, epochs=4)


def batch_of_two():
    x, y = blobs(n=200, apart=0.5)
    return trained([pl.Dense(16, "tanh"), pl.Dense(3)], x, y, SPARSE, pl.SGD(0.8), batch_size=2, epochs=6)


def all_zero_weights():
    x, y = blobs()
    layers = [pl.Dense(8, "relu", kernel_initializer="zeros"), pl.Dense(3, kernel_initializer="zeros")]
    return trained(layers, x, y, SPARSE)


def zero_hidden_layer():
    x, y = surface()
    zeros = pl.Dense(8, "relu", kernel_initializer="zeros", name="middle")
    return trained([pl.Dense(8, "relu"), zeros, pl.Dense(1, kernel_initializer="zeros")], x, y, "mse")


def step_function():
    x, y = blobs()
    return trained([pl.Dense(16), Sign(), pl.Dense(3)], x, y, SPARSE, epochs=5)


def step_function_in_the_middle():
    x, y = moons()
    layers = [pl.Dense(8, "tanh"), pl.Dense(8), Sign(), pl.Dense(8, "tanh"), pl.Dense(1)]
    return trained(layers, x, column(y), BINARY, pl.SGD(0.1), epochs=5)


def constant_weights():
    x, y = moons()
    layers = [pl.Dense(16, "tanh", kernel_initializer="ones"), pl.Dense(1, kernel_initializer="ones")]
    return trained(layers, x, column(y), BINARY, pl.Adam(0.01), epochs=10)


def negative_biases():
    x, y = blobs()
    return trained([pl.Dense(16, "relu", bias_initializer=pl.RandomNormal(-20.0, 0.1)), pl.Dense(3)], x, y, SPARSE)


def all_positive(y, optimizer, **options):
    """Inputs and weights above 0, so that one long step makes every sum negative."""
    x, _ = surface()
    x = (x - x.min(0)) / (x.max(0) - x.min(0))
    hidden = pl.Dense(12, "relu", kernel_initializer=pl.RandomUniform(0.0, 0.5))
    out = pl.Dense(1, kernel_initializer=pl.RandomUniform(0.1, 0.5))
    return trained([hidden, out], x, y + 1, "mse", optimizer, epochs=12, **options)


def relus_killed_by_update():
    rate = pl.PiecewiseConstantDecay([39, 40], [0.02, 10.0, 0.02])
    return all_positive(surface()[1], pl.SGD(rate), batch_size=16)


def relus_killed_by_row():
    y = surface()[1]
    y[60] = -100
    return all_positive(y, pl.SGD(0.03), batch_size=8)


def tanh_of_thousands():
    x, y = blobs()
    layers = [pl.Dense(16, "tanh", kernel_initializer=pl.RandomNormal(0.0, 300.0)), pl.Dense(16, "tanh"), pl.Dense(3)]
    return trained(layers, x, y, SPARSE, pl.SGD(0.01))


def sigmoid_of_large_weights():
    x, y = surface()
    layers = [pl.Dense(24, "sigmoid", kernel_initializer=pl.RandomUniform(-200.0, 200.0)), pl.Dense(1)]
    return trained(layers, x, y, "mse", pl.SGD(0.01))


def eight_sigmoids():
    x, y = blobs()
    layers = [*(pl.Dense(12, "sigmoid") for _ in range(8)), pl.Dense(3)]
    return trained(layers, x, y, SPARSE, pl.SGD(0.05))


def ten_sigmoids_regression():
    x, y = surface()
    layers = [*(pl.Dense(10, "sigmoid") for _ in range(10)), pl.Dense(1)]
    return trained(layers, x, y, "mse", pl.SGD(0.01))


def large_weights():
    x, y = surface()
    layers = [*(pl.Dense(24, "relu", kernel_initializer=pl.RandomNormal(0.0, 3.0)) for _ in range(4)), pl.Dense(1)]
    return trained(layers, x, y, "mse", pl.SGD(1e-9))


def large_weights_not_finite():
    x, y = surface()
    layers = [*(pl.Dense(32, "relu", kernel_initializer=pl.RandomNormal(0.0, 4.0)) for _ in range(4)), pl.Dense(1)]
    return trained(layers, x, y, "mse", pl.SGD(0.01))


FAULTS = [
    Fault("a row overflows", bad_row_overflows, "not finite", step_of(240, 77, 16), rows=(77,)),
    Fault("a target overflows", bad_target_overflows, "not finite", step_of(240, 101, 16), rows=(101,)),
    Fault("logarithm of 0", logarithm_of_zero, "not finite", 0, "logarithm"),
    Fault("spike by a row", spike_by_row, "loss spike", step_of(240, 50, 8), rows=(50,), also=("not finite",)),
    Fault("spike by a target", spike_by_target, "loss spike", step_of(240, 33, 8), rows=(33,)),
    Fault("spike by the schedule", spike_by_schedule, "loss spike", 101),
    Fault("rate × 1000, sgd", rate_1000_times_sgd, "learning rate too high", 0, also=("not finite",)),
    Fault("rate × 1000, adam", rate_1000_times_adam, "learning rate too high", 0),
    Fault("rate too high, relu", rate_too_high_binary, "learning rate too high", 0),
    Fault("rate too high, momentum", rate_too_high_momentum, "learning rate too high", 0),
    Fault("rate too low, sgd", rate_too_low_sgd, "learning rate too low", 0, also=("loss not decreasing",)),
    Fault("rate too low, adam", rate_too_low_adam, "learning rate too low", 0, also=("loss not decreasing",)),
    Fault("rate 0", rate_zero, "learning rate too low", 0, also=("loss not decreasing",)),
    Fault("cosine ends early", schedule_ends_early, "learning rate too low"),
    Fault("rate drops to nothing", schedule_drops_to_nothing, "learning rate too low", 21),
    Fault("batch of one", batch_of_one, "batch too small"),
    Fault("batch of two", batch_of_two, "batch too small"),
    Fault("all weights 0", all_zero_weights, "no gradient", 0, "dense", also=("loss not decreasing",)),
    Fault("two layers of 0", zero_hidden_layer, "no gradient", 0, "middle"),
    Fault("a step function", step_function, "no gradient", 0, "sign"),
    Fault("a step function inside", step_function_in_the_middle, "no gradient", 0, "sign"),
    Fault("all weights 1", constant_weights, "identical units", 0, "dense"),
    Fault("biases of -20", negative_biases, "dead relu units", 0, "dense", also=("loss not decreasing",)),
    Fault("relus killed by one update", relus_killed_by_update, "dead relu units", 41, "dense"),
    Fault("relus killed by a row", relus_killed_by_row, "loss spike", 20, rows=(60,), also=("dead relu units",)),
    Fault("tanh of thousands", tanh_of_thousands, "saturated units", 0, "dense"),
    Fault("sigmoid of large weights", sigmoid_of_large_weights, "saturated units", 0, "dense"),
    Fault("eight sigmoids", eight_sigmoids, "vanishing gradients", 0, "dense", also=("loss not decreasing",)),
    Fault("ten sigmoids", ten_sigmoids_regression, "vanishing gradients", 0, "dense"),
    Fault("large weights", large_weights, "exploding gradients", 0),
    Fault("large weights, not finite", large_weights_not_finite, "exploding gradients", 0, also=("not finite",)),
]
