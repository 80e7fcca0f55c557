"""Exercises 10.4 and 10.5 of notebook 10: which published networks are not exact, and which rows not to compare."""

from collections.abc import Sequence
from dataclasses import fields

from course_lib.exercises import Function, register
from course_lib.exercises.comparing import Mistake, call
from course_lib.experiments import find
from course_lib.experiments.row import Recipe

# 10.4 not_exact


def not_exact(keys: Sequence[str]) -> set[str]:
    """Those of these six published networks that are not exactly invariant, as a reader finds out. Notebook 10.

    A test compares it with `invariance_error`, which knows all rows.
    """
    strided = {"p4-all-cnn", "p4m-resnet44-cohen", "p4-resnet29"}  # 3 × 3 with stride 2 on 32 and 16 pixels
    gains_per_sheet = {"e4net-released"}  # equal at the start, unequal after training
    return {key for key in keys if key in strided | gains_per_sheet}


ROWS = ("p4cnn", "p4-all-cnn", "p4m-resnet44-cohen", "e4net-released", "p4-r18", "p4-resnet29")
REASONS = {
    "p4cnn": "P4CNN has no stride, and its pool meets an even map of 24 pixels",
    "p4-all-cnn": "look at how All-CNN halves its maps: with what, and at which size",
    "p4m-resnet44-cohen": "look at how ResNet44 halves its maps, and at its head",
    "e4net-released": "nothing is strided here, but remember the norm of notebook 08, once it is trained",
    "p4-r18": "the code of this paper convolves at full resolution and then pools 2 × 2, on even maps",
    "p4-resnet29": "only the rows with attention pool; this one is an ordinary strided ResNet on p4",
}


def _sets(f: Function, reference: Function) -> None:
    answer = call(f, ROWS, example={"keys": list(ROWS)})
    if not isinstance(answer, (set, frozenset, list, tuple)):
        raise Mistake(f"Return a set of keys, such as {{'p4cnn'}}. Your function returned {answer!r}.")
    if unknown := sorted(set(map(str, answer)) - set(ROWS)):
        raise Mistake(f"{unknown[0]!r} is not one of the keys. They are {', '.join(ROWS)}.")
    expected = reference(ROWS)
    wrong = [key for key in ROWS if (key in answer) != (key in expected)]
    if len(wrong) == len(ROWS):
        raise Mistake("You return the networks that are exact. Return the others, those that are not.")
    if wrong:
        says = "is exact, but you call it broken" if wrong[0] in answer else "is broken, but you call it exact"
        count = "One network is" if len(wrong) == 1 else f"{len(wrong)} networks are"
        raise Mistake(f"{count} on the wrong side. One of them, {wrong[0]}, {says}: {REASONS[wrong[0]]}.")


register(
    "10.4",
    not_exact,
    minutes=10,
    difficulty=2,
    checks=[_sets],
    hints=[
        "Three things break exactness: a 3 × 3 convolution of stride 2 on an even map, a head that flattens the "
        "sheets, "
        "and parameters that differ from sheet to sheet.",
        "Photographs have 32 pixels, digits 28. `print(find(key).build())` shows the layers of a network: search its "
        "convolutions for `stride=2`. (A 2 × 2 pool has it, too, but leaves no pixel over on an even map.)",
        "Four of the six are not exact.",
    ],
)

# 10.5 unfair_pair


def unfair_pair() -> tuple[str, str, str]:
    """Two rows with published errors on one data set, and a field of their recipes that makes the errors incomparable.

    One example of many, for the exercise of notebook 10 in which readers look for one of their own.
    """
    return "resnet44-cohen", "resnet29", "augmentation"


FIELDS = {field.name for field in fields(Recipe)} - {"dataset", "note", "name"}
_CHOOSE = f"Choose one of {', '.join(sorted(FIELDS))}."


def _pairs(f: Function, reference: Function) -> None:
    """What every answer must satisfy; which pair it is, is free."""
    answer = call(f)
    if not isinstance(answer, (tuple, list)) or len(answer) != 3 or not all(isinstance(word, str) for word in answer):
        raise Mistake(f"Return three strings: two keys and the name of a field. Your function returned {answer!r}.")
    first, second, field = answer
    try:
        a, b = find(first), find(second)
    except LookupError as error:
        raise Mistake(f"There is no such row: {error}") from None
    if first == second:
        raise Mistake(f"Both rows are {first}. Choose two different ones.")
    if field not in FIELDS:
        if field in vars(a.recipe):
            raise Mistake(f"{field!r} says what the recipe is, not how a network is trained. {_CHOOSE}")
        raise Mistake(f"A recipe has no field {field!r}. {_CHOOSE}")
    if a.recipe.dataset != b.recipe.dataset:
        raise Mistake(
            f"{first} is about {a.recipe.dataset} and {second} about {b.recipe.dataset}. Nobody would compare these: "
            "choose two rows on the same data set."
        )
    if a.percent is None or b.percent is None:
        raise Mistake(f"For {first if a.percent is None else second} no error was published, so nobody compares it.")
    if field == "report" and a.recipe.report == b.recipe.report:
        raise Mistake(
            f"Both recipes say {a.recipe.report!r}. This course never reports the best test epoch; if a paper did, "
            "`note` says so. Choose another field in which the two rows differ."
        )
    if getattr(a.recipe, field) == getattr(b.recipe, field):
        raise Mistake(f"{first} and {second} have the same {field}: {getattr(a.recipe, field)!r}. What else differs?")


register(
    "10.5",
    unfair_pair,
    minutes=8,
    difficulty=1,
    checks=[_pairs],
    hints=[
        "Take two papers with the same data set. Rotated MNIST: the tables `rotated-mnist` and `e4-rotated-mnist`. "
        "CIFAR-10: `cifar10`, `e4-cifar` and `asc`.",
        "`find('p4cnn').recipe` shows a recipe. Compare it with that of a row from another paper, field by field.",
    ],
)
