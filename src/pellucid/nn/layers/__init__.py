"""The layers, by their Keras names."""

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

__all__ = [
    "Activation",
    "Add",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "BatchNormalization",
    "Bidirectional",
    "CategoryEmbedding",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Cropping1D",
    "Cropping2D",
    "Dense",
    "DepthwiseConv2D",
    "Dot",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRU",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GroupNormalization",
    "LSTM",
    "LayerNormalization",
    "Masking",
    "MaxPooling1D",
    "MaxPooling2D",
    "Maximum",
    "MultiHeadAttention",
    "Multiply",
    "Normalization",
    "Permute",
    "PositionEmbedding",
    "RMSNormalization",
    "RandomCrop",
    "RandomFlip",
    "RandomTranslation",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "SeparableConv2D",
    "SimpleRNN",
    "SinusoidalEncoding",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "Subtract",
    "TimeDistributed",
    "TransformerDecoder",
    "TransformerEncoder",
    "UpSampling2D",
    "ZeroPadding1D",
    "ZeroPadding2D",
]
