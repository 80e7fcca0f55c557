"""Local attention in loops, for one head of one image at a time and a block of its pixels: scores, softmax, sum.

All maps lie as lines, as in `course_lib.kernels.lines`: rows end to end, k // 2 zeros after each, with a border of
zeros at both ends, so that the pixel d = (dy, dx) away is dy·pitch + dx further on for all pixels alike. The scores of
a block stay in the nearest caches and become weights in place; nothing else is kept for a query.

Each score is Σ_c q_c (ψ_c k_c + β_c), each result Σ_i α_i (ψ_i v_i + β_i). `compare` and `combine` are these two sums,
and their gradients are the same two sums again, and `spread`, which sends back what each neighbor has contributed.
Each inner loop writes to a single line: before a loop is vectorized, LLVM has it checked that no line that is written
overlaps one that is read, and leaves the loop as it is if that takes more than eight comparisons. With two lines
written, `combine` took three times as long; with four, `spread` did, too.
Channels come in fours, the steps of a window in threes; zeros fill up. Indices are unsigned, as a signed one could
count from the end, and nothing would be vectorized.
Numba looks at this file alone to see whether a stored kernel is fresh: whoever changes `loops_softmax` saves it, too.
"""

from __future__ import annotations

import numpy as np
from numba import uintp

from course_lib.kernels.compiled import loops
from course_lib.kernels.loops_softmax import BLOCK, FOUR, LOWEST, NO, ONE, THREE, TWO, softmax, softmax_backward


@loops
def lay(lines, first, maps, unit, sheet, sheets, channels, depth, layout):  # type: ignore[no-untyped-def]
    """The maps of one head of one image into lines, some of its sheets: channel c of sheet number h of
    these into line first + h·depth + c."""
    heads, height, width, pitch, border = layout
    image, head = unit // heads, unit % heads
    for h in range(NO, sheets):
        for c in range(NO, channels):
            for y in range(NO, height):
                for x in range(NO, width):
                    it = maps[image, head * channels + c, sheet + h, y, x]
                    lines[first + h * depth + c, border + y * pitch + x] = it


@loops
def pick_up(maps, lines, first, unit, sheet, sheets, channels, depth, layout):  # type: ignore[no-untyped-def]
    """The inverse of `lay`."""
    heads, height, width, pitch, border = layout
    image, head = unit // heads, unit % heads
    for h in range(NO, sheets):
        for c in range(NO, channels):
            for y in range(NO, height):
                for x in range(NO, width):
                    it = lines[first + h * depth + c, border + y * pitch + x]
                    maps[image, head * channels + c, sheet + h, y, x] = it


@loops
def compare(scores, lines, query, f, depth, steps, start, border, pixels, psi, beta, w):  # type: ignore[no-untyped-def]
    """scores[i](t) += Σ_c query_c(t) (ψ_ci f_c(t + d_i) + β_ci), four channels at a time."""
    now = border + start
    for i in range(NO, uintp(len(steps))):
        there, row = steps[i] + start, i * BLOCK
        for c in range(NO, depth, FOUR):
            q, g, at = query + c, f + c, w + i * depth + c
            p0, p1, p2, p3 = psi[at], psi[at + ONE], psi[at + TWO], psi[at + THREE]
            b0, b1, b2, b3 = beta[at], beta[at + ONE], beta[at + TWO], beta[at + THREE]
            for j in range(NO, pixels):
                scores[row + j] += (
                    lines[q, now + j] * (p0 * lines[g, there + j] + b0)
                    + lines[q + ONE, now + j] * (p1 * lines[g + ONE, there + j] + b1)
                    + lines[q + TWO, now + j] * (p2 * lines[g + TWO, there + j] + b2)
                    + lines[q + THREE, now + j] * (p3 * lines[g + THREE, there + j] + b3)
                )


@loops
def combine(lines, out, scores, f, depth, steps, start, border, pixels, psi, beta, w):  # type: ignore[no-untyped-def]
    """out_c(t) += Σ_i score_i(t) (ψ_ci f_c(t + d_i) + β_ci), three steps at a time."""
    now = border + start
    for i in range(NO, uintp(len(steps)), THREE):
        one, two, three = steps[i] + start, steps[i + ONE] + start, steps[i + TWO] + start
        row = i * BLOCK
        for c in range(NO, depth):
            a, g, at = out + c, f + c, w + i * depth + c
            after = at + depth
            last = after + depth
            p0, p1, p2 = psi[at], psi[after], psi[last]
            b0, b1, b2 = beta[at], beta[after], beta[last]
            for j in range(NO, pixels):
                lines[a, now + j] += (
                    scores[row + j] * (p0 * lines[g, one + j] + b0)
                    + scores[row + BLOCK + j] * (p1 * lines[g, two + j] + b1)
                    + scores[row + TWO * BLOCK + j] * (p2 * lines[g, three + j] + b2)
                )


@loops
def spread(lines, grad, grad_beta, scores, upstream, depth, steps, start, border, pixels, psi, w):  # type: ignore[no-untyped-def]
    """grad_c(t + d_i) += ψ_ci score_i(t) upstream_c(t), the gradient of `combine` or of `compare` for f, and
    ∂β_ci += Σ_t score_i(t) upstream_c(t)."""
    now = border + start
    for i in range(NO, uintp(len(steps))):
        there, row = steps[i] + start, i * BLOCK
        for c in range(NO, depth):
            a, u, at = grad + c, upstream + c, w + i * depth + c
            factor, total = psi[at], grad_beta[at]
            for j in range(NO, pixels):
                product = scores[row + j] * lines[u, now + j]
                lines[a, there + j] += factor * product
                total += product
            grad_beta[at] = total


@loops
def add_up(grad_psi, lines, scores, upstream, f, depth, steps, start, border, pixels, w):  # type: ignore[no-untyped-def]
    """∂ψ_ci += Σ_t score_i(t) upstream_c(t) f_c(t + d_i), four channels at a time."""
    now = border + start
    for i in range(NO, uintp(len(steps))):
        there, row = steps[i] + start, i * BLOCK
        for c in range(NO, depth, FOUR):
            u, g, at = upstream + c, f + c, w + i * depth + c
            p0, p1, p2, p3 = grad_psi[at], grad_psi[at + ONE], grad_psi[at + TWO], grad_psi[at + THREE]
            for j in range(NO, pixels):
                s = scores[row + j]
                p0 += s * lines[u, now + j] * lines[g, there + j]
                p1 += s * lines[u + ONE, now + j] * lines[g + ONE, there + j]
                p2 += s * lines[u + TWO, now + j] * lines[g + TWO, there + j]
                p3 += s * lines[u + THREE, now + j] * lines[g + THREE, there + j]
            grad_psi[at], grad_psi[at + ONE], grad_psi[at + TWO], grad_psi[at + THREE] = p0, p1, p2, p3


@loops
def prepare(scores, lines, mask, parts, steps, taps, start, pixels):  # type: ignore[no-untyped-def]
    """Each score begins with what the mask says of its neighbor; what only fills up gets no weight."""
    number, entries = scores.dtype.type, uintp(len(steps))
    for part in range(NO, parts):
        for i in range(NO, entries):
            row, there = (part * entries + i) * BLOCK, steps[i] + start
            for j in range(NO, pixels):
                scores[row + j] = lines[mask, there + j] if i < taps else number(LOWEST)


@loops
def lay_mask(lines, mask, masked, layout):  # type: ignore[no-untyped-def]
    """Zero within the map; outside of it, if that is masked, so little that a score with it gets no weight."""
    _, height, width, pitch, border = layout
    lines[mask, :] = lines.dtype.type(LOWEST if masked else 0)
    for y in range(NO, height):
        for x in range(NO, width):
            lines[mask, border + y * pitch + x] = 0


@loops
def forward(  # type: ignore[no-untyped-def]
    query, key, value, out, key_psi, key_beta, value_psi, value_beta, steps, layout, settings, scale, first, last
):
    """The result for the heads number first to last, of all heads of all images."""
    key_seen, value_seen, parts, taps, masked, _ = settings[:6]
    key_channels, key_depth, value_channels, value_depth, pixels, block = settings[6:]
    heads, border = layout[0], layout[4]
    sheets, key_sheets, value_sheets = uintp(query.shape[2]), uintp(key.shape[2]), uintp(value.shape[2])
    entries = uintp(len(steps))
    keys = key_depth
    values = keys + key_sheets * key_depth
    outs = values + value_sheets * value_depth
    mask = outs + value_depth
    lines = np.zeros((mask + ONE, TWO * border + pixels), query.dtype)
    scores = np.empty((parts * entries + TWO) * BLOCK, query.dtype)
    size, scale = entries * BLOCK, query.dtype.type(scale)
    lay_mask(lines, mask, masked, layout)
    for unit in range(uintp(first), uintp(last)):
        lay(lines, keys, key, unit, NO, key_sheets, key_channels, key_depth, layout)
        lay(lines, values, value, unit, NO, value_sheets, value_channels, value_depth, layout)
        for h in range(NO, sheets):
            lay(lines, NO, query, unit, h, ONE, key_channels, key_depth, layout)
            lines[outs:mask, :] = 0
            of = (h * heads + unit % heads) * entries
            for start in range(NO, pixels, block):
                count = min(block, pixels - start)
                where = steps, start, border, count
                prepare(scores, lines, mask, parts, steps, taps, start, count)
                for g in range(NO, key_seen):
                    k, w = (
                        keys + (g if key_seen == key_sheets else h) * key_depth,
                        (of * key_seen + g * entries) * key_depth,
                    )
                    part = scores[min(g, parts - ONE) * size :]
                    compare(part, lines, NO, k, key_depth, *where, key_psi, key_beta, w)
                softmax(scores, parts * entries, count, scale)
                for g in range(NO, value_seen):
                    v = values + (g if value_seen == value_sheets else h) * value_depth
                    w = (of * value_seen + g * entries) * value_depth
                    part = scores[min(g, parts - ONE) * size :]
                    combine(lines, outs, part, v, value_depth, *where, value_psi, value_beta, w)
            pick_up(out, lines, outs, unit, h, ONE, value_channels, value_depth, layout)


@loops
def backward(  # type: ignore[no-untyped-def]
    upstream,
    query,
    key,
    value,
    grad_query,
    grad_key,
    grad_value,
    key_psi,
    key_beta,
    value_psi,
    value_beta,
    grad_key_psi,
    grad_key_beta,
    grad_value_psi,
    grad_value_beta,
    steps,
    layout,
    settings,
    scale,
    first,
    last,
):
    """The gradients for the heads number first to last; those of the banks are added to what is there."""
    key_seen, value_seen, parts, taps, masked, apart = settings[:6]
    key_channels, key_depth, value_channels, value_depth, pixels, block = settings[6:]
    heads, border = layout[0], layout[4]
    sheets, key_sheets, value_sheets = uintp(query.shape[2]), uintp(key.shape[2]), uintp(value.shape[2])
    entries = uintp(len(steps))
    keys = key_depth
    values = keys + key_sheets * key_depth
    ups = values + value_sheets * value_depth
    grads = ups + value_depth  # of query, key and value, in their order
    mask = grads + ups
    lines = np.zeros((mask + ONE, TWO * border + pixels), query.dtype)
    weights = np.empty((parts * entries + TWO) * BLOCK, query.dtype)
    scores = np.empty((parts * entries + TWO) * BLOCK, query.dtype)
    size, scale = entries * BLOCK, query.dtype.type(scale)
    lay_mask(lines, mask, masked, layout)
    for unit in range(uintp(first), uintp(last)):
        lay(lines, keys, key, unit, NO, key_sheets, key_channels, key_depth, layout)
        lay(lines, values, value, unit, NO, value_sheets, value_channels, value_depth, layout)
        lines[grads:mask, :] = 0
        for h in range(NO, sheets):
            lay(lines, NO, query, unit, h, ONE, key_channels, key_depth, layout)
            lay(lines, ups, upstream, unit, h, ONE, value_channels, value_depth, layout)
            lines[grads : grads + keys, :] = 0
            of = (h * heads + unit % heads) * entries
            for start in range(NO, pixels, block):
                count = min(block, pixels - start)
                where = steps, start, border, count
                prepare(weights, lines, mask, parts, steps, taps, start, count)
                for g in range(NO, key_seen):
                    k, w = (
                        keys + (g if key_seen == key_sheets else h) * key_depth,
                        (of * key_seen + g * entries) * key_depth,
                    )
                    part = weights[min(g, parts - ONE) * size :]
                    compare(part, lines, NO, k, key_depth, *where, key_psi, key_beta, w)
                softmax(weights, parts * entries, count, scale)
                scores[:] = 0
                for g in range(NO, value_seen):
                    v = values + (g if value_seen == value_sheets else h) * value_depth
                    w = (of * value_seen + g * entries) * value_depth
                    at = min(g, parts - ONE) * size
                    compare(scores[at:], lines, ups, v, value_depth, *where, value_psi, value_beta, w)
                    sums = grads + v, grad_value_beta
                    spread(lines, *sums, weights[at:], ups, value_depth, *where, value_psi, w)
                    if not apart:
                        add_up(grad_value_psi, lines, weights[at:], ups, v, value_depth, *where, w)
                softmax_backward(weights, scores, parts * entries, count, scale)
                for g in range(NO, key_seen):
                    k, w = (
                        keys + (g if key_seen == key_sheets else h) * key_depth,
                        (of * key_seen + g * entries) * key_depth,
                    )
                    part = scores[min(g, parts - ONE) * size :]
                    combine(lines, grads, part, k, key_depth, *where, key_psi, key_beta, w)
                    spread(lines, grads + k, grad_key_beta, part, NO, key_depth, *where, key_psi, w)
                    if not apart:
                        add_up(grad_key_psi, lines, part, NO, k, key_depth, *where, w)
            pick_up(grad_query, lines, grads, unit, h, ONE, key_channels, key_depth, layout)
        pick_up(grad_key, lines, grads + keys, unit, NO, key_sheets, key_channels, key_depth, layout)
        pick_up(grad_value, lines, grads + values, unit, NO, value_sheets, value_channels, value_depth, layout)
