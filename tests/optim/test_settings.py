"""What may be set, by which names, with which defaults, and what is refused."""

import json

import pytest

from pellucid import optim
from pellucid.errors import UsageError
from pellucid.registry import from_config, to_config


@pytest.mark.parametrize(
    "optimizer",
    [
        *(kind() for kind in optim.BY_NAME.values()),
        optim.SGD(0.3, 0.9, True, clipnorm=1.0, weight_decay=0.1),
        optim.AdamW(optim.Warmup(optim.CosineDecay(0.1, 100), 10), amsgrad=True, weight_decay=None),
        optim.RMSprop(optim.PiecewiseConstantDecay([1, 2], [0.3, 0.2, 0.1]), centered=True, clipvalue=2.0),
        optim.Muon(optim.Scaled(optim.Warmup(0.1, 10), 0.5), exclude_layers=["head", r"dense_\d"]),
        optim.Lion(use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=5),
        optim.Nadam(lookahead_period=5, lookahead_step_size=0.8),
    ],
    ids=repr,
)
def test_json_and_equality(optimizer):
    text = json.dumps(to_config(optimizer))
    assert from_config(json.loads(text)) == optimizer
    assert len({optimizer, from_config(json.loads(text))}) == 1


def test_defaults_are_those_of_keras():
    assert (optim.SGD().learning_rate, optim.SGD().momentum, optim.SGD().nesterov) == (0.01, 0.0, False)
    assert optim.SGD(0.1, 0.9, True) == optim.SGD(0.1, momentum=0.9, nesterov=True)
    adam = optim.Adam()
    assert (adam.learning_rate, adam.beta_1, adam.beta_2, adam.epsilon) == (0.001, 0.9, 0.999, 1e-7)
    adamw = optim.AdamW()
    assert (adam.weight_decay, adamw.weight_decay, adamw.learning_rate) == (None, 0.004, 0.001)
    rmsprop = optim.RMSprop()
    assert (rmsprop.learning_rate, rmsprop.rho, rmsprop.momentum, rmsprop.epsilon) == (0.001, 0.9, 0.0, 1e-7)
    adagrad = optim.Adagrad()
    assert (adagrad.learning_rate, adagrad.initial_accumulator_value, adagrad.epsilon) == (0.001, 0.1, 1e-7)
    adamax, nadam, lamb = optim.Adamax(), optim.Nadam(), optim.Lamb()
    for kind in (adamax, nadam, lamb):
        assert (kind.learning_rate, kind.beta_1, kind.beta_2, kind.epsilon) == (0.001, 0.9, 0.999, 1e-7)
    assert (optim.Lion().learning_rate, optim.Lion().beta_1, optim.Lion().beta_2) == (0.001, 0.9, 0.99)
    adadelta, muon = optim.Adadelta(), optim.Muon()
    assert (adadelta.learning_rate, adadelta.rho, adadelta.epsilon) == (0.001, 0.95, 1e-7)
    assert (muon.learning_rate, muon.momentum, muon.ns_steps, muon.nesterov) == (0.001, 0.95, 6, True)
    assert (muon.weight_decay, muon.adam_lr_ratio, muon.exclude_embeddings) == (0.1, 0.1, True)
    assert (adam.use_ema, adam.ema_momentum, adam.ema_overwrite_frequency) == (False, 0.99, None)
    with pytest.raises(TypeError):
        optim.AdamW(0.001, 0.004)  # in Keras the second is weight_decay, in a child of Adam beta_1


@pytest.mark.parametrize(("name", "kind"), optim.BY_NAME.items())
def test_get_by_name(name, kind):
    assert optim.get(name) == kind()
    assert optim.get(kind.__name__) == kind()
    assert optim.get(kind(0.5)) == kind(0.5)


def test_get_unknown_names():
    with pytest.raises(UsageError, match="did you mean rmsprop"):
        optim.get("rmsprob")
    with pytest.raises(UsageError, match="expected one of adadelta, adagrad, adam"):
        optim.get("zzz")
    with pytest.raises(UsageError, match="unknown optimizer 3"):
        optim.get(3)
    with pytest.raises(UsageError, match="the optimizer 'Ftrl' is not known here"):
        from_config({"optimizer": "Ftrl"})


BAD = [
    (optim.SGD, {"learning_rate": -0.1}, "SGD: learning_rate is -0.1"),
    (optim.SGD, {"learning_rate": float("nan")}, "learning_rate is nan"),
    (optim.SGD, {"learning_rate": float("inf")}, "learning_rate is inf"),
    (optim.SGD, {"learning_rate": "fast"}, "learning_rate is 'fast'"),
    (optim.SGD, {"learning_rate": True}, "learning_rate is True"),
    (optim.SGD, {"momentum": 1.5}, r"momentum is 1.5; expected a number in \[0, 1\]"),
    (optim.SGD, {"weight_decay": -1}, "weight_decay is -1"),
    (optim.Adam, {"beta_1": 1.0}, r"beta_1 is 1.0; expected a number in \[0, 1\)"),
    (optim.Adam, {"beta_2": -0.1}, "beta_2"),
    (optim.AdamW, {"epsilon": -1e-7}, "AdamW: epsilon"),
    (optim.RMSprop, {"rho": 1}, "rho is 1"),
    (optim.RMSprop, {"momentum": -1}, "momentum"),
    (optim.Adagrad, {"initial_accumulator_value": -1}, "initial_accumulator_value"),
    (optim.Adam, {"clipnorm": 0}, r"clipnorm is 0; expected a number in \(0, inf\)"),
    (optim.Adam, {"clipvalue": -1}, "clipvalue"),
    (optim.Adadelta, {"rho": 1.0}, "rho is 1.0"),
    (optim.Lion, {"beta_2": 1.0}, "Lion: beta_2 is 1.0"),
    (optim.Lamb, {"beta_1": 1.0}, "Lamb: beta_1"),
    (optim.Nadam, {"epsilon": -1}, "Nadam: epsilon"),
    (optim.Adamax, {"beta_1": -1}, "Adamax: beta_1"),
    (optim.Muon, {"ns_steps": 0}, r"Muon\(ns_steps=0\): a whole number, 1 or more"),
    (optim.Muon, {"momentum": 2}, "Muon: momentum"),
    (optim.Muon, {"exclude_layers": ["("]}, r"Muon: exclude_layers has '\('"),
    (optim.SGD, {"use_ema": True, "ema_momentum": 1.5}, "ema_momentum is 1.5"),
    (optim.SGD, {"ema_overwrite_frequency": 2.5}, r"ema_overwrite_frequency=2.5\): a whole number"),
    (optim.SGD, {"lookahead_period": 0}, r"lookahead_period=0\): a whole number, 1 or more"),
    (optim.SGD, {"lookahead_step_size": 1.5}, r"lookahead_step_size is 1.5; expected a number in \[0, 1\]"),
    (optim.Adam, {"clipnorm": 1, "clipvalue": 1}, "clipnorm and clipvalue are given"),
    (optim.Adam, {"clipnorm": 1, "global_clipnorm": 1}, "clipnorm and global_clipnorm"),
]


@pytest.mark.parametrize(("kind", "settings", "message"), BAD)
def test_bad_settings_are_named(kind, settings, message):
    with pytest.raises(UsageError, match=message):
        kind(**settings)
