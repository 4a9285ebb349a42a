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
        Tape,
        Value,
        backprop,
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
    from pellucid.data.files.boxed_pictures import boxed_pictures
    from pellucid.data.files.pictures import pictures
    from pellucid.data.files.sound import read_sound, sounds
    from pellucid.data.files.spectrogram import log_mel_spectrogram
    from pellucid.data.sequences import buckets, pad_sequences, sequence_mask, sequence_pairs, windows
    from pellucid.data.tables.ratings import Ratings
    from pellucid.data.text import Tokenizer
    from pellucid.errors import (
        DataError,
        NotFiniteError,
        PellucidError,
        RunError,
        ShapeError,
        UsageError,
    )
    from pellucid.fit.callbacks import Callback, EarlyStopping
    from pellucid.gradcheck import (
        SPSA,
        FiniteDifference,
        GradientReport,
        finite_difference,
    )
    from pellucid.inference.attribution import Attribution, attribution
    from pellucid.inference.beam_search import beam_search
    from pellucid.inference.generation import Continuation, generate
    from pellucid.models.gradients import check_gradients, feed_forward, gradients
    from pellucid.models.library import load, open_run, resume
    from pellucid.models.model import Model
    from pellucid.models.sequential import Sequential
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
    from pellucid.nn.layers.attention import (
        MultiHeadAttention,
        PositionEmbedding,
        SinusoidalEncoding,
        TransformerDecoder,
        TransformerEncoder,
    )
    from pellucid.nn.layers.augmentation import RandomCrop, RandomFlip, RandomTranslation
    from pellucid.nn.layers.convolution import Conv1D, Conv2D, Conv2DTranspose, Conv3D
    from pellucid.nn.layers.dense import Activation, CategoryEmbedding, Dense, Flatten
    from pellucid.nn.layers.depthwise import DepthwiseConv2D, SeparableConv2D
    from pellucid.nn.layers.merging import Add, Average, Concatenate, Dot, Maximum, Multiply, Subtract
    from pellucid.nn.layers.noise import Dropout, GaussianNoise, SpatialDropout1D, SpatialDropout2D
    from pellucid.nn.layers.normalization import (
        BatchNormalization,
        GroupNormalization,
        LayerNormalization,
        RMSNormalization,
    )
    from pellucid.nn.layers.pooling import (
        AveragePooling1D,
        AveragePooling2D,
        GlobalAveragePooling1D,
        GlobalAveragePooling2D,
        GlobalMaxPooling1D,
        GlobalMaxPooling2D,
        MaxPooling1D,
        MaxPooling2D,
    )
    from pellucid.nn.layers.recurrent import GRU, LSTM, SimpleRNN
    from pellucid.nn.layers.resizing import Cropping1D, Cropping2D, UpSampling2D, ZeroPadding1D, ZeroPadding2D
    from pellucid.nn.layers.scaling import Normalization, Rescaling
    from pellucid.nn.layers.sequences import Bidirectional, Embedding, Masking, TimeDistributed
    from pellucid.nn.layers.shaping import Permute, RepeatVector, Reshape
    from pellucid.nn.losses import (
        CTC,
        BinaryCrossentropy,
        BinaryFocalCrossentropy,
        CategoricalCrossentropy,
        CategoricalFocalCrossentropy,
        CategoricalHinge,
        CosineSimilarity,
        Hinge,
        Huber,
        KLDivergence,
        LogCosh,
        Loss,
        MeanAbsoluteError,
        MeanSquaredError,
        Poisson,
        SparseCategoricalCrossentropy,
        SquaredHinge,
    )
    from pellucid.nn.metrics import (
        ROCAUC,
        Accuracy,
        BoxIoU,
        ConfusionMatrix,
        F1Score,
        MeanAveragePrecision,
        Metric,
        Perplexity,
        Precision,
        R2Score,
        Recall,
        RootMeanSquaredError,
        TopKAccuracy,
        bleu,
        box_iou,
        character_error_rate,
        detection_average_precision,
        edit_distance,
        word_error_rate,
    )
    from pellucid.nn.regularizers import L1, L1L2, L2, MaxNorm
    from pellucid.optim import (
        SGD,
        Adadelta,
        Adagrad,
        Adam,
        Adamax,
        AdamW,
        Constant,
        CosineDecay,
        ExponentialDecay,
        Lamb,
        Lion,
        Muon,
        Nadam,
        PiecewiseConstantDecay,
        RMSprop,
        Scaled,
        Warmup,
    )
    from pellucid.registry import register
    from pellucid.runs.run import Run
    from pellucid.storage import Recording

__version__ = "0.1.0"

_HOME = {
    "autodiff": "Tape Value backprop op",
    "gradcheck": "SPSA FiniteDifference GradientReport finite_difference",
    "autodiff.ops": "absolute amax clip concatenate elu exp gelu leaky_relu log log_softmax matmul maximum "
    "mean minimum relu reshape selu sigmoid softmax softplus sqrt square sum swish tanh where",
    "data.files.boxed_pictures": "boxed_pictures",
    "data.files.pictures": "pictures",
    "data.tables.ratings": "Ratings",
    "data.sequences": "buckets pad_sequences sequence_mask sequence_pairs windows",
    "data.files.sound": "read_sound sounds",
    "data.files.spectrogram": "log_mel_spectrogram",
    "data.text": "Tokenizer",
    "errors": "DataError NotFiniteError PellucidError RunError ShapeError UsageError",
    "nn.layers.augmentation": "RandomCrop RandomFlip RandomTranslation",
    "nn.layers.convolution": "Conv1D Conv2D Conv2DTranspose Conv3D",
    "nn.layers.attention": "MultiHeadAttention PositionEmbedding SinusoidalEncoding TransformerDecoder "
    "TransformerEncoder",
    "nn.layers.dense": "Activation CategoryEmbedding Dense Flatten",
    "nn.layers.depthwise": "DepthwiseConv2D SeparableConv2D",
    "nn.initializers": "GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform Ones Orthogonal "
    "RandomNormal RandomUniform Zeros",
    "nn.layer": "Layer",
    "nn.losses": "CTC BinaryCrossentropy BinaryFocalCrossentropy CategoricalCrossentropy CategoricalFocalCrossentropy "
    "CategoricalHinge CosineSimilarity Hinge Huber KLDivergence LogCosh Loss MeanAbsoluteError MeanSquaredError "
    "Poisson SparseCategoricalCrossentropy SquaredHinge",
    "nn.metrics": "ROCAUC Accuracy BoxIoU ConfusionMatrix F1Score MeanAveragePrecision Metric Perplexity Precision "
    "R2Score Recall RootMeanSquaredError TopKAccuracy bleu box_iou character_error_rate "
    "detection_average_precision edit_distance word_error_rate",
    "nn.layers.merging": "Add Average Concatenate Dot Maximum Multiply Subtract",
    "nn.layers.noise": "Dropout GaussianNoise SpatialDropout1D SpatialDropout2D",
    "nn.layers.normalization": "BatchNormalization GroupNormalization LayerNormalization RMSNormalization",
    "nn.layers.pooling": "AveragePooling1D AveragePooling2D GlobalAveragePooling1D GlobalAveragePooling2D "
    "GlobalMaxPooling1D GlobalMaxPooling2D MaxPooling1D MaxPooling2D",
    "nn.layers.recurrent": "GRU LSTM SimpleRNN",
    "nn.regularizers": "L1 L1L2 L2 MaxNorm",
    "nn.layers.resizing": "Cropping1D Cropping2D UpSampling2D ZeroPadding1D ZeroPadding2D",
    "nn.layers.scaling": "Normalization Rescaling",
    "nn.layers.sequences": "Bidirectional Embedding Masking TimeDistributed",
    "nn.layers.shaping": "Permute RepeatVector Reshape",
    "optim": "SGD Adadelta Adagrad Adam Adamax AdamW Constant CosineDecay ExponentialDecay Lamb Lion Muon Nadam "
    "PiecewiseConstantDecay RMSprop Scaled Warmup",
    "registry": "register",
    "storage": "Recording",
    "inference.attribution": "Attribution attribution",
    "inference.beam_search": "beam_search",
    "fit.callbacks": "Callback EarlyStopping",
    "inference.generation": "Continuation generate",
    "models.gradients": "check_gradients feed_forward gradients",
    "models.model": "Model",
    "models.library": "load open_run resume",
    "runs.run": "Run",
    "models.sequential": "Sequential",
}
_MODULE = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = [*_MODULE, "__version__"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"pellucid has no {name!r}")
    import_module("pellucid.explain")  # which teaches a tape to show itself in a notebook
    value = globals()[name] = getattr(import_module(f"pellucid.{_MODULE[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
