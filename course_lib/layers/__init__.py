"""Equivariant layers. Each takes a Group and works on maps (B, C, |H|, Y, X).

A name ends in 2d where the layer has a window in the plane, of k × k pixels: convolutions, attention, pools over space.
Norms, dropout, pools over the group and squeeze-and-excite treat all pixels alike, and have no 2d. `E4Layer` has a
window, and keeps the name that its paper gave it.
"""

from course_lib.kernels import attention_weights, neighborhoods
from course_lib.layers.asc import AffineSelfConv2d, SimpleAffineSelfConv2d, StandAloneSelfAttention2d
from course_lib.layers.attention import GroupSelfAttention2d, position_bank
from course_lib.layers.attentive import AttentiveGroupConv2d, AttentiveLiftingConv2d
from course_lib.layers.banks import group_filter_bank, lifting_filter_bank
from course_lib.layers.conv import GroupConv2d, LiftingConv2d
from course_lib.layers.e4 import E4Layer
from course_lib.layers.encoded_attention import EncodedSelfAttention2d, LiftingSelfAttention2d
from course_lib.layers.norm import GroupBatchNorm, GroupDropout, GroupInstanceNorm
from course_lib.layers.pool import (
    CosetMaxPool,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupMaxPool,
    SpatialAvgPool2d,
    SpatialMaxPool2d,
)
from course_lib.layers.separable import (
    GCSeparableConv2d,
    GSeparableConv2d,
    g_factored,
    gc_factored,
    pointwise_bank,
    separable_filters,
)
from course_lib.layers.sequential import EquivariantSequential
from course_lib.layers.squeeze import GroupSqueezeExcite

__all__ = [
    "AffineSelfConv2d",
    "AttentiveGroupConv2d",
    "AttentiveLiftingConv2d",
    "CosetMaxPool",
    "E4Layer",
    "EncodedSelfAttention2d",
    "EquivariantSequential",
    "GCSeparableConv2d",
    "GSeparableConv2d",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GroupBatchNorm",
    "GroupConv2d",
    "GroupDropout",
    "GroupInstanceNorm",
    "GroupMaxPool",
    "GroupSelfAttention2d",
    "GroupSqueezeExcite",
    "LiftingConv2d",
    "LiftingSelfAttention2d",
    "SimpleAffineSelfConv2d",
    "SpatialAvgPool2d",
    "SpatialMaxPool2d",
    "StandAloneSelfAttention2d",
    "attention_weights",
    "g_factored",
    "gc_factored",
    "group_filter_bank",
    "lifting_filter_bank",
    "neighborhoods",
    "pointwise_bank",
    "position_bank",
    "separable_filters",
]
