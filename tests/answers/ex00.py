"""Answers to the exercise of notebook 00."""

import torch

from answers import correct, wrong


@correct("half_turn")
def two_quarter_turns(image):
    return torch.rot90(image, 2)


@wrong("half_turn", says="each row must be read backwards too")
def upside_down(image):
    return image.flip(0)


@wrong("half_turn", says="quarter turn")
def quarter_turn(image):
    return torch.rot90(image)


@wrong("half_turn", says="did you forget `return`")
def no_return(image):
    image.flip(0, 1)


@wrong("half_turn", says="in place")
def in_place(image):
    image[:] = image.flip(0, 1)
    return image


@wrong("half_turn", says="quarter turn, clockwise")
def quarter_turn_clockwise(image):
    return image.rot90(-1)


@wrong("half_turn", says="the other diagonal")
def other_diagonal(image):
    return image.T.flip(0, 1)


@wrong("half_turn", says="in one row")
def without_rows(image):
    return image.flatten().flip(0)


@wrong("half_turn", says="takes no negative step")
def negative_steps(image):
    return image[::-1, ::-1]


@wrong("half_turn", says="as it was.*quarter turns, not degrees")
def degrees(image):
    return image.rot90(180)


@wrong("half_turn", says="Dimension out of range.*two axes only")
def three_axes(image):
    return image.flip(0, 1, 2)


@wrong("half_turn", says="which axes to reverse")
def no_axes(image):
    return image.flip()


@wrong("half_turn", says="add two flipped images")
def sum_of_flips(image):
    return image.flip(0) + image.flip(1)


@wrong("half_turn", says="shifts the image by half its size")
def shifted_by_half(image):
    height, width = image.shape
    return image.roll((height // 2, width // 2), (0, 1))


@wrong("half_turn", says="not their places")
def negative(image):
    return -image


@wrong("half_turn", says="out of bounds.*counted from 0, so the last row is Y − 1")
def counted_from_one(image):
    rows, columns = image.shape
    out = torch.zeros_like(image)
    for row in range(rows):
        for column in range(columns):
            out[row, column] = image[rows - row, columns - column]
    return out


@wrong("half_turn", says="row 0, column 1 after a half turn was in row 1, column 0")
def sides_confused(image):
    rows, columns = image.shape
    return torch.stack(
        [torch.stack([image[columns - 1 - x, rows - 1 - y] for x in range(columns)]) for y in range(rows)]
    )


@wrong("half_turn", says="changes, repeats or loses")
def doubled(image):
    return image.flip(0, 1) * 2


@wrong("half_turn", says="keeps the shape: 2 rows and 2 columns")
def with_a_batch_axis(image):
    return image.flip(0, 1)[None]


@wrong("half_turn", says="returned dtype torch.float64, expected torch.int64.$")
def in_double_precision(image):
    return image.double().flip(0, 1)
