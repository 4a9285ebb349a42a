"""pellucid: the neural-network trainer with the lid off.

    import pellucid as pl

    model = pl.Sequential([pl.Dense(16, "relu"), pl.Dense(3)])
    model.compile("adam", pl.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    run = model.fit(x, y, epochs=20)
    run.at(7).loss                      # any step, opened: the recorded loss bit for bit

A name is read when it is first used, so that importing pellucid is fast and does not import JAX.
"""

# pyright: reportUnusedImport=false
# The imports below tell type checkers what _HOME tells at run time; a test holds the two to be the same.
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.autodiff import (
        FiniteDifference,
        GradientReport,
        Tape,
        Value,
        backprop,
        finite_difference,
        op,
    )
    from pellucid.autodiff.ops import (
        absolute,
        amax,
        clip,
        concatenate,
        elu,
        exp,
        gelu,
        leaky_relu,
        log,
        log_softmax,
        matmul,
        maximum,
        mean,
        minimum,
        relu,
        reshape,
        selu,
        sigmoid,
        softmax,
        softplus,
        sqrt,
        square,
        sum,
        swish,
        tanh,
        where,
    )
    from pellucid.errors import (
        DataError,
        NotFiniteError,
        PellucidError,
        RunError,
        ShapeError,
        UsageError,
    )
    from pellucid.nn.dense import Activation, CategoryEmbedding, Dense, Dropout, Flatten
    from pellucid.nn.initializers import (
        GlorotNormal,
        GlorotUniform,
        HeNormal,
        HeUniform,
        LecunNormal,
        LecunUniform,
        Ones,
        Orthogonal,
        RandomNormal,
        RandomUniform,
        Zeros,
    )
    from pellucid.nn.layer import Layer
    from pellucid.nn.losses import (
        BinaryCrossentropy,
        CategoricalCrossentropy,
        Huber,
        Loss,
        MeanAbsoluteError,
        MeanSquaredError,
        SparseCategoricalCrossentropy,
    )
    from pellucid.nn.metrics import (
        ROCAUC,
        Accuracy,
        ConfusionMatrix,
        F1Score,
        Metric,
        Precision,
        R2Score,
        Recall,
        RootMeanSquaredError,
    )
    from pellucid.optim import (
        SGD,
        Adagrad,
        Adam,
        AdamW,
        Constant,
        CosineDecay,
        ExponentialDecay,
        PiecewiseConstantDecay,
        RMSprop,
        Warmup,
    )
    from pellucid.train.callbacks import Callback, EarlyStopping
    from pellucid.train.gradients import check_gradients, feed_forward, gradients
    from pellucid.train.model import Model
    from pellucid.train.run import Run
    from pellucid.train.saving import load
    from pellucid.train.sequential import Sequential

__version__ = "0.1.0"

_HOME = {
    "autodiff": "FiniteDifference GradientReport Tape Value backprop finite_difference op",
    "autodiff.ops": "absolute amax clip concatenate elu exp gelu leaky_relu log log_softmax matmul maximum "
    "mean minimum relu reshape selu sigmoid softmax softplus sqrt square sum swish tanh where",
    "errors": "DataError NotFiniteError PellucidError RunError ShapeError UsageError",
    "nn.dense": "Activation CategoryEmbedding Dense Dropout Flatten",
    "nn.initializers": "GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform Ones Orthogonal "
    "RandomNormal RandomUniform Zeros",
    "nn.layer": "Layer",
    "nn.losses": "BinaryCrossentropy CategoricalCrossentropy Huber Loss MeanAbsoluteError MeanSquaredError "
    "SparseCategoricalCrossentropy",
    "nn.metrics": "ROCAUC Accuracy ConfusionMatrix F1Score Metric Precision R2Score Recall RootMeanSquaredError",
    "optim": "SGD Adagrad Adam AdamW Constant CosineDecay ExponentialDecay PiecewiseConstantDecay RMSprop Warmup",
    "train.callbacks": "Callback EarlyStopping",
    "train.gradients": "check_gradients feed_forward gradients",
    "train.model": "Model",
    "train.run": "Run",
    "train.saving": "load",
    "train.sequential": "Sequential",
}
_MODULE = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = [*_MODULE, "__version__"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"pellucid has no {name!r}")
    value = globals()[name] = getattr(import_module(f"pellucid.{_MODULE[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
