"""The few hot operations of the dynamic layers: one function each, beside a reference that is easy to read."""

from course_lib.kernels.aggregation import aggregate, generate_and_aggregate, generate_kernels, unfold_and_sum
from course_lib.kernels.attention import affine_attention, affine_attention_weights, affine_map, unfold_and_attend
from course_lib.kernels.attention_on_group import (
    attention_weights,
    group_attention,
    group_attention_weights,
    unfold_and_attend_on_group,
)
from course_lib.kernels.shifting import shift_and_add
from course_lib.kernels.windows import neighborhoods

__all__ = [
    "affine_attention",
    "affine_attention_weights",
    "affine_map",
    "aggregate",
    "attention_weights",
    "generate_and_aggregate",
    "generate_kernels",
    "group_attention",
    "group_attention_weights",
    "neighborhoods",
    "shift_and_add",
    "unfold_and_attend",
    "unfold_and_attend_on_group",
    "unfold_and_sum",
]
