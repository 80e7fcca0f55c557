"""`generate_and_aggregate` in loops that `course_lib.kernels.compiled_e4` calls, compiled: the kernels of one sheet are
made, used and forgotten in the cache.

All maps lie as lines, as in `course_lib.kernels.lines`: rows end to end, k // 2 zeros after each, images one under
another. Every line has a border of zeros at both ends, so that the pixel d = (dy, dx) away is dy·pitch + dx further on
for all pixels alike. Each sheet of each image is on its own, for kernels are turned, but never mixed, between sheets.

All memory is handed in, as pointers. Three lines are read at once, so that each number is used several times while it
is in a register. What `shape`, `counts` and `steps` hold is said in `compiled_e4`.
"""

from course_lib.kernels.machine_code import loops

BLOCK = 256  # pixels: so much of all lines stays in the nearest cache


@loops
def lay(lines, maps, strides, image, count, sheet, channels, shape):  # type: ignore[no-untyped-def]
    """One sheet of some images into lines, all channels of a row together, as they may be neighbors in memory; where
    there are fewer images than room, zeros."""
    height, width, reach, together, border, length = shape
    by_image, by_channel, by_sheet, by_row, by_pixel = strides
    for b in range(count):
        for y in range(height):
            for c in range(channels):
                here = (image + b) * by_image + c * by_channel + sheet * by_sheet + y * by_row
                there = c * length + border + (b * (height + reach) + y) * (width + reach)
                for x in range(width):
                    lines[there + x] = maps[here + x * by_pixel]
    for c in range(channels if count < together else 0):
        for j in range(border + count * (height + reach) * (width + reach), length):
            lines[c * length + j] = 0


@loops
def pick_up(maps, lines, strides, image, count, sheet, channels, shape):  # type: ignore[no-untyped-def]
    """The inverse of `lay`."""
    height, width, reach, _, border, length = shape
    by_image, by_channel, by_sheet, by_row, by_pixel = strides
    for b in range(count):
        for y in range(height):
            for c in range(channels):
                there = (image + b) * by_image + c * by_channel + sheet * by_sheet + y * by_row
                here = c * length + border + (b * (height + reach) + y) * (width + reach)
                for x in range(width):
                    maps[there + x * by_pixel] = lines[here + x]


@loops
def clear(lines, length, rows, border, pixels):  # type: ignore[no-untyped-def]
    """Zeros into the pixels of some lines."""
    for i in range(rows):
        for j in range(pixels):
            lines[i * length + border + j] = 0


@loops
def combine(out, matrix, w, lines, rows, columns, length, border, pixels):  # type: ignore[no-untyped-def]
    """out[i] += Σ_m matrix[i, m] lines[m]; there are multiples of three of both."""
    for block in range(border, border + pixels, BLOCK):
        size = min(BLOCK, border + pixels - block)
        for i in range(0, rows, 3):
            for m in range(0, columns, 3):
                first, to, of = w + i * columns + m, block + i * length, block + m * length
                for j in range(to, to + size):
                    a, b, c = out[j], out[j + length], out[j + 2 * length]
                    for n in range(3):
                        x = lines[of + n * length + j - to]
                        a += matrix[first + n] * x
                        b += matrix[first + columns + n] * x
                        c += matrix[first + 2 * columns + n] * x
                    out[j], out[j + length], out[j + 2 * length] = a, b, c


@loops
def correlate(matrix, w, left, right, rows, columns, length, border, pixels):  # type: ignore[no-untyped-def]
    """matrix[i, m] += Σ_t left[i](t) right[m](t); there are multiples of three of both."""
    for block in range(border, border + pixels, BLOCK):
        size = min(BLOCK, border + pixels - block)
        for i in range(0, rows, 3):
            for m in range(0, columns, 3):
                one = w + i * columns + m
                two, three = one + columns, one + 2 * columns
                a, b, c = matrix[one], matrix[one + 1], matrix[one + 2]
                d, e, f = matrix[two], matrix[two + 1], matrix[two + 2]
                g, h, k = matrix[three], matrix[three + 1], matrix[three + 2]
                for j in range(block, block + size):
                    s, t = i * length + j, m * length + j
                    p, q, r = left[s], left[s + length], left[s + 2 * length]
                    x, y, z = right[t], right[t + length], right[t + 2 * length]
                    a, b, c = a + p * x, b + p * y, c + p * z
                    d, e, f = d + q * x, e + q * y, f + q * z
                    g, h, k = g + r * x, h + r * y, k + r * z
                matrix[one], matrix[one + 1], matrix[one + 2] = a, b, c
                matrix[two], matrix[two + 1], matrix[two + 2] = d, e, f
                matrix[three], matrix[three + 1], matrix[three + 2] = g, h, k


@loops
def aggregate(out, kernels, values, c, d, steps, rows, length, border, pixels):  # type: ignore[no-untyped-def]
    """out[c](t) = Σ_i K[i](t) V[c](t + d_i) for the two channels whose lines begin at c and d, three taps at a time."""
    clear(out, d - c, 2, c + border, pixels)
    for i in range(0, rows, 3):
        one, two, three = steps[i], steps[i + 1], steps[i + 2]
        for j in range(border, border + pixels):
            k = i * length + j
            x, y, z = kernels[k], kernels[k + length], kernels[k + 2 * length]
            out[c + j] += x * values[c + j + one] + y * values[c + j + two] + z * values[c + j + three]
            out[d + j] += x * values[d + j + one] + y * values[d + j + two] + z * values[d + j + three]


@loops
def spread(out, kernels, upstream, c, d, steps, rows, length, border, pixels):  # type: ignore[no-untyped-def]
    """out[c](t) = Σ_i K[i](t − d_i) ∂[c](t − d_i), the gradient for the values."""
    clear(out, d - c, 2, c + border, pixels)
    for i in range(0, rows, 3):
        one, two, three = steps[i], steps[i + 1], steps[i + 2]
        for j in range(border, border + pixels):
            k = i * length + j
            x, y, z = kernels[k - one], kernels[k + length - two], kernels[k + 2 * length - three]
            out[c + j] += x * upstream[c + j - one] + y * upstream[c + j - two] + z * upstream[c + j - three]
            out[d + j] += x * upstream[d + j - one] + y * upstream[d + j - two] + z * upstream[d + j - three]


@loops
def add_products(grad, upstream, values, c, d, steps, rows, length, border, pixels):  # type: ignore[no-untyped-def]
    """grad[i](t) += Σ_c ∂[c](t) V[c](t + d_i) over two channels, the gradient for the kernels."""
    for i in range(rows):
        step = steps[i]
        for j in range(border, border + pixels):
            grad[i * length + j] += upstream[c + j] * values[c + j + step] + upstream[d + j] * values[d + j + step]


@loops
def read(shape, counts):  # type: ignore[no-untyped-def]
    """Both as tuples."""
    measures = shape[0], shape[1], shape[2], shape[3], shape[4], shape[5]
    return measures, (counts[0], counts[1], counts[2], counts[3], counts[4], counts[5], counts[6])


@loops
def strides_of(strides, which):  # type: ignore[no-untyped-def]
    """How far apart the neighbors along each axis of a map (B, C, |H|, Y, X) lie in memory."""
    at = 5 * which
    return strides[at], strides[at + 1], strides[at + 2], strides[at + 3], strides[at + 4]


def forward(  # type: ignore[no-untyped-def]
    hidden,
    values,
    out,
    matrix,
    hidden_lines,
    value_lines,
    out_lines,
    kernels,
    shape,
    counts,
    strides,
    steps,
    first,
    last,
):
    """The result for the images number first to last."""
    shape, (pixels, channels, hidden_channels, sheets, slices, rows, columns) = read(shape, counts)
    _, _, _, together, border, length = shape
    share, where = channels // slices, (length, border, pixels)
    for group in range((last - first + together - 1) // together):
        image = first + group * together
        count = min(together, last - image)
        for sheet in range(sheets):
            lay(hidden_lines, hidden, strides_of(strides, 0), image, count, sheet, hidden_channels, shape)
            lay(value_lines, values, strides_of(strides, 1), image, count, sheet, channels, shape)
            for s in range(slices):
                w = (sheet * slices + s) * rows * columns
                clear(kernels, length, rows, border, pixels)
                combine(kernels, matrix, w, hidden_lines, rows, columns, *where)
                for c in range(s * share, (s + 1) * share, 2):
                    d = c + 1 if c + 1 < (s + 1) * share else channels
                    aggregate(out_lines, kernels, value_lines, c * length, d * length, steps, rows, *where)
            pick_up(out, out_lines, strides_of(strides, 2), image, count, sheet, channels, shape)


def backward(  # type: ignore[no-untyped-def]
    upstream,
    hidden,
    values,
    grad_hidden,
    grad_values,
    matrix,
    transposed,
    grad_matrix,
    upstream_lines,
    hidden_lines,
    value_lines,
    grad_hidden_lines,
    grad_value_lines,
    kernels,
    grad_kernels,
    shape,
    counts,
    strides,
    steps,
    first,
    last,
):
    """The gradients for the images number first to last; that of the matrix is added to what is there."""
    shape, (pixels, channels, hidden_channels, sheets, slices, rows, columns) = read(shape, counts)
    _, _, _, together, border, length = shape
    share, where = channels // slices, (length, border, pixels)
    for group in range((last - first + together - 1) // together):
        image = first + group * together
        count = min(together, last - image)
        for sheet in range(sheets):
            lay(upstream_lines, upstream, strides_of(strides, 0), image, count, sheet, channels, shape)
            lay(hidden_lines, hidden, strides_of(strides, 1), image, count, sheet, hidden_channels, shape)
            lay(value_lines, values, strides_of(strides, 2), image, count, sheet, channels, shape)
            clear(grad_hidden_lines, length, columns, border, pixels)
            for s in range(slices):
                w = (sheet * slices + s) * rows * columns
                clear(kernels, length, rows, border, pixels)
                clear(grad_kernels, length, rows, border, pixels)
                combine(kernels, matrix, w, hidden_lines, rows, columns, *where)
                for c in range(s * share, (s + 1) * share, 2):
                    d = c + 1 if c + 1 < (s + 1) * share else channels
                    pair = c * length, d * length
                    spread(grad_value_lines, kernels, upstream_lines, *pair, steps, rows, *where)
                    add_products(grad_kernels, upstream_lines, value_lines, *pair, steps, rows, *where)
                combine(grad_hidden_lines, transposed, w, grad_kernels, columns, rows, *where)
                correlate(grad_matrix, w, grad_kernels, hidden_lines, rows, columns, *where)
            pick_up(grad_hidden, grad_hidden_lines, strides_of(strides, 3), image, count, sheet, hidden_channels, shape)
            pick_up(grad_values, grad_value_lines, strides_of(strides, 4), image, count, sheet, channels, shape)
