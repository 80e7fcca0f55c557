"""Local attention in loops, for one head of one image at a time and a block of its pixels: scores, softmax, sum.

All maps lie as lines, as in `loops_e4`, one image at a time. The scores of a block stay in the nearest caches and
become weights in place; nothing else is kept for a query. Memory is handed in, as pointers; what `layout` and
`settings` hold is said in `compiled_attention`.

Each score is Σ_c q_c (ψ_c k_c + β_c), each result Σ_i α_i (ψ_i v_i + β_i). `compare` and `combine` are these two sums,
and their gradients are the same two sums again, and `spread`, which sends back what each neighbor has contributed.
Each inner loop writes to a single line: before a loop is vectorized, LLVM has it checked that no line that is written
overlaps one that is read, and leaves the loop as it is if that takes more than eight comparisons. With two lines
written, `combine` took three times as long; with four, `spread` did, too.
Channels come in fours, the steps of a window in threes; zeros fill up.
"""

from course_lib.kernels.loops_e4 import strides_of
from course_lib.kernels.loops_softmax import softmax, softmax_backward
from course_lib.kernels.machine_code import loops

LOWEST = -1e37  # a score that gets no weight


@loops
def lay(lines, first, maps, strides, unit, sheet, sheets, channels, depth, layout):  # type: ignore[no-untyped-def]
    """The maps of one head of one image into lines, some of its sheets: channel c of sheet number h of
    these into line first + h·depth + c."""
    heads, height, width, pitch, border, length = layout
    by_image, by_channel, by_sheet, by_row, by_pixel = strides
    start = unit // heads * by_image + unit % heads * channels * by_channel + sheet * by_sheet
    for h in range(sheets):
        for c in range(channels):
            for y in range(height):
                here = start + h * by_sheet + c * by_channel + y * by_row
                there = (first + h * depth + c) * length + border + y * pitch
                for x in range(width):
                    lines[there + x] = maps[here + x * by_pixel]


@loops
def pick_up(maps, lines, first, strides, unit, sheet, sheets, channels, depth, layout):  # type: ignore[no-untyped-def]
    """The inverse of `lay`."""
    heads, height, width, pitch, border, length = layout
    by_image, by_channel, by_sheet, by_row, by_pixel = strides
    start = unit // heads * by_image + unit % heads * channels * by_channel + sheet * by_sheet
    for h in range(sheets):
        for c in range(channels):
            for y in range(height):
                there = start + h * by_sheet + c * by_channel + y * by_row
                here = (first + h * depth + c) * length + border + y * pitch
                for x in range(width):
                    maps[there + x * by_pixel] = lines[here + x]


@loops
def clear(lines, start, end):  # type: ignore[no-untyped-def]
    """Zeros."""
    for j in range(start, end):
        lines[j] = 0


@loops
def compare(scores, part, lines, query, f, depth, steps, entries, now, block, pixels, length, psi, beta, w):  # type: ignore[no-untyped-def]
    """scores[i](t) += Σ_c query_c(t) (ψ_ci f_c(t + d_i) + β_ci), four channels at a time."""
    for i in range(entries):
        there, row = now + steps[i], part + i * block
        for c in range(0, depth, 4):
            q, g, at = (query + c) * length + now, (f + c) * length + there, w + i * depth + c
            p0, p1, p2, p3 = psi[at], psi[at + 1], psi[at + 2], psi[at + 3]
            b0, b1, b2, b3 = beta[at], beta[at + 1], beta[at + 2], beta[at + 3]
            for j in range(pixels):
                scores[row + j] += (
                    lines[q + j] * (p0 * lines[g + j] + b0)
                    + lines[q + length + j] * (p1 * lines[g + length + j] + b1)
                    + lines[q + 2 * length + j] * (p2 * lines[g + 2 * length + j] + b2)
                    + lines[q + 3 * length + j] * (p3 * lines[g + 3 * length + j] + b3)
                )


@loops
def combine(lines, out, scores, part, f, depth, steps, entries, now, block, pixels, length, psi, beta, w):  # type: ignore[no-untyped-def]
    """out_c(t) += Σ_i score_i(t) (ψ_ci f_c(t + d_i) + β_ci), three steps at a time."""
    for i in range(0, entries, 3):
        row = part + i * block
        for c in range(depth):
            a, g, at = (out + c) * length + now, (f + c) * length + now, w + i * depth + c
            one, two, three = g + steps[i], g + steps[i + 1], g + steps[i + 2]
            p0, p1, p2 = psi[at], psi[at + depth], psi[at + 2 * depth]
            b0, b1, b2 = beta[at], beta[at + depth], beta[at + 2 * depth]
            for j in range(pixels):
                lines[a + j] += (
                    scores[row + j] * (p0 * lines[one + j] + b0)
                    + scores[row + block + j] * (p1 * lines[two + j] + b1)
                    + scores[row + 2 * block + j] * (p2 * lines[three + j] + b2)
                )


@loops
def spread(lines, grad, grad_beta, scores, part, upstream, depth, steps, entries, now, block, pixels, length, psi, w):  # type: ignore[no-untyped-def]
    """grad_c(t + d_i) += ψ_ci score_i(t) upstream_c(t), the gradient of `combine` or of `compare` for f, and
    ∂β_ci += Σ_t score_i(t) upstream_c(t)."""
    for i in range(entries):
        row = part + i * block
        for c in range(depth):
            a, u, at = (grad + c) * length + now + steps[i], (upstream + c) * length + now, w + i * depth + c
            factor, total = psi[at], grad_beta[at]
            for j in range(pixels):
                product = scores[row + j] * lines[u + j]
                lines[a + j] += factor * product
                total += product
            grad_beta[at] = total


@loops
def add_up(grad_psi, lines, scores, part, upstream, f, depth, steps, entries, now, block, pixels, length, w):  # type: ignore[no-untyped-def]
    """∂ψ_ci += Σ_t score_i(t) upstream_c(t) f_c(t + d_i), four channels at a time."""
    for i in range(entries):
        row = part + i * block
        for c in range(0, depth, 4):
            u, g, at = (upstream + c) * length + now, (f + c) * length + now + steps[i], w + i * depth + c
            p0, p1, p2, p3 = grad_psi[at], grad_psi[at + 1], grad_psi[at + 2], grad_psi[at + 3]
            for j in range(pixels):
                s = scores[row + j]
                p0 += s * lines[u + j] * lines[g + j]
                p1 += s * lines[u + length + j] * lines[g + length + j]
                p2 += s * lines[u + 2 * length + j] * lines[g + 2 * length + j]
                p3 += s * lines[u + 3 * length + j] * lines[g + 3 * length + j]
            grad_psi[at], grad_psi[at + 1], grad_psi[at + 2], grad_psi[at + 3] = p0, p1, p2, p3


@loops
def prepare(scores, lines, mask, parts, taps, steps, entries, now, block, pixels, length):  # type: ignore[no-untyped-def]
    """Each score begins with what the mask says of its neighbor; what only fills up gets no weight."""
    for part in range(parts):
        for i in range(entries):
            row, there = (part * entries + i) * block, mask * length + now + steps[i]
            for j in range(pixels):
                scores[row + j] = lines[there + j] if i < taps else LOWEST


@loops
def lay_mask(lines, mask, masked, layout):  # type: ignore[no-untyped-def]
    """Zero within the map; outside of it, if that is masked, so little that a score with it gets no weight."""
    _, height, width, pitch, border, length = layout
    for j in range(length):
        lines[mask * length + j] = LOWEST if masked else 0
    for y in range(height):
        clear(lines, mask * length + border + y * pitch, mask * length + border + y * pitch + width)


@loops
def read(layout, settings):  # type: ignore[no-untyped-def]
    """Layout, sheets, settings, and the numbers of channels and pixels, as tuples."""
    measures = layout[0], layout[1], layout[2], layout[3], layout[4], layout[5]
    sheets = settings[0], settings[1], settings[2], settings[3], settings[4]
    kinds = settings[5], settings[6], settings[7], settings[8], settings[9]
    sizes = settings[10], settings[11], settings[12], settings[13], settings[14], settings[15]
    return measures, sheets, kinds, sizes


@loops
def weigh(  # type: ignore[no-untyped-def]
    weights, lines, mask, keys, h, of, scale, key_psi, key_beta, sheets, kinds, key_depth, where
):
    """The weights of a block of queries on sheet h, whose channels lie in the first lines."""
    _, key_sheets, _, key_seen, _ = sheets
    parts, taps, _, _, entries = kinds
    prepare(weights, lines, mask, parts, taps, *where)
    for g in range(key_seen):
        k, w = keys + (g if key_seen == key_sheets else h) * key_depth, (of * key_seen + g * entries) * key_depth
        compare(weights, min(g, parts - 1) * entries * where[3], lines, 0, k, key_depth, *where, key_psi, key_beta, w)
    softmax(weights, parts * entries, *where[3:5], scale[0])


def forward(  # type: ignore[no-untyped-def]
    query,
    key,
    value,
    out,
    key_psi,
    key_beta,
    value_psi,
    value_beta,
    scale,
    lines,
    weights,
    steps,
    layout,
    settings,
    strides,
    first,
    last,
):
    """The result for the heads number first to last, of all heads of all images."""
    layout, all_sheets, kinds, sizes = read(layout, settings)
    heads, _, _, _, border, length = layout
    sheets, key_sheets, value_sheets, _, value_seen = all_sheets
    parts, _, masked, _, entries = kinds
    key_channels, key_depth, value_channels, value_depth, pixels, block = sizes
    keys = key_depth
    values = keys + key_sheets * key_depth
    outs = values + value_sheets * value_depth
    mask = outs + value_depth
    lay_mask(lines, mask, masked, layout)
    for unit in range(first, last):
        lay(lines, keys, key, strides_of(strides, 1), unit, 0, key_sheets, key_channels, key_depth, layout)
        lay(lines, values, value, strides_of(strides, 2), unit, 0, value_sheets, value_channels, value_depth, layout)
        for h in range(sheets):
            lay(lines, 0, query, strides_of(strides, 0), unit, h, 1, key_channels, key_depth, layout)
            clear(lines, outs * length, mask * length)
            of = (h * heads + unit % heads) * entries
            for number in range((pixels + block - 1) // block):
                start = number * block
                where = steps, entries, border + start, block, min(block, pixels - start), length
                weigh(weights, lines, mask, keys, h, of, scale, key_psi, key_beta, all_sheets, kinds, key_depth, where)
                for g in range(value_seen):
                    v = values + (g if value_seen == value_sheets else h) * value_depth
                    w, at = (of * value_seen + g * entries) * value_depth, min(g, parts - 1) * entries * block
                    combine(lines, outs, weights, at, v, value_depth, *where, value_psi, value_beta, w)
            pick_up(out, lines, outs, strides_of(strides, 3), unit, h, 1, value_channels, value_depth, layout)


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
    scale,
    lines,
    weights,
    scores,
    steps,
    layout,
    settings,
    strides,
    first,
    last,
):
    """The gradients for the heads number first to last; those of the banks are added to what is there."""
    layout, all_sheets, kinds, sizes = read(layout, settings)
    heads, _, _, _, border, length = layout
    sheets, key_sheets, value_sheets, key_seen, value_seen = all_sheets
    parts, _, masked, apart, entries = kinds
    key_channels, key_depth, value_channels, value_depth, pixels, block = sizes
    keys = key_depth
    values = keys + key_sheets * key_depth
    ups = values + value_sheets * value_depth
    grads = ups + value_depth  # of query, key and value, in their order
    mask = grads + ups
    lay_mask(lines, mask, masked, layout)
    for unit in range(first, last):
        lay(lines, keys, key, strides_of(strides, 2), unit, 0, key_sheets, key_channels, key_depth, layout)
        lay(lines, values, value, strides_of(strides, 3), unit, 0, value_sheets, value_channels, value_depth, layout)
        clear(lines, grads * length, mask * length)
        for h in range(sheets):
            lay(lines, 0, query, strides_of(strides, 1), unit, h, 1, key_channels, key_depth, layout)
            lay(lines, ups, upstream, strides_of(strides, 0), unit, h, 1, value_channels, value_depth, layout)
            clear(lines, grads * length, (grads + keys) * length)
            of = (h * heads + unit % heads) * entries
            for number in range((pixels + block - 1) // block):
                start = number * block
                where = steps, entries, border + start, block, min(block, pixels - start), length
                weigh(weights, lines, mask, keys, h, of, scale, key_psi, key_beta, all_sheets, kinds, key_depth, where)
                clear(scores, 0, parts * entries * block)
                for g in range(value_seen):
                    v = values + (g if value_seen == value_sheets else h) * value_depth
                    w, at = (of * value_seen + g * entries) * value_depth, min(g, parts - 1) * entries * block
                    compare(scores, at, lines, ups, v, value_depth, *where, value_psi, value_beta, w)
                    spread(lines, grads + v, grad_value_beta, weights, at, ups, value_depth, *where, value_psi, w)
                    if not apart:
                        add_up(grad_value_psi, lines, weights, at, ups, v, value_depth, *where, w)
                softmax_backward(weights, scores, parts * entries, *where[3:5], scale[0])
                for g in range(key_seen):
                    k = keys + (g if key_seen == key_sheets else h) * key_depth
                    w, at = (of * key_seen + g * entries) * key_depth, min(g, parts - 1) * entries * block
                    combine(lines, grads, scores, at, k, key_depth, *where, key_psi, key_beta, w)
                    spread(lines, grads + k, grad_key_beta, scores, at, 0, key_depth, *where, key_psi, w)
                    if not apart:
                        add_up(grad_key_psi, lines, scores, at, 0, k, key_depth, *where, w)
            pick_up(grad_query, lines, grads, strides_of(strides, 4), unit, h, 1, key_channels, key_depth, layout)
        to_key, to_value = strides_of(strides, 5), strides_of(strides, 6)
        pick_up(grad_key, lines, grads + keys, to_key, unit, 0, key_sheets, key_channels, key_depth, layout)
        pick_up(grad_value, lines, grads + values, to_value, unit, 0, value_sheets, value_channels, value_depth, layout)
