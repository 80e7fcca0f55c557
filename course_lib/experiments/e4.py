"""Rotated MNIST: E4-Net and its ablations, Tables 1 to 3 of He et al. (2021), as data."""

from functools import partial
from typing import Any

from course_lib.experiments.row import Quoted, Recipe, Row, Table, as_printed
from course_lib.experiments.rules import AND_NORMS
from course_lib.groups import C4
from course_lib.models import e4net

RECIPE = Recipe(
    dataset="rotated-mnist", train=10_000, validation=2_000, test=50_000,
    optimizer="adam", learning_rate=0.02, weight_decay=1e-4, batch_size=128, epochs=200, seeds=5,
    milestones=(60, 120, 160), factor=0.1,
    note="The published program trains on the validation images, too, and reports the best of all test epochs.",
)  # fmt: skip


def _e4net(key: str, name: str, table: int, counts: str, error: str, width: int = 16, **options: Any) -> Row:
    others = [] if "affine" in options else [("released layout", partial(e4net, affine="per_element", **options))]
    if width > 16:
        others.append(("as in the README's command", partial(e4net, affine="per_element", slices=12, reduction=2)))
    network, source, printed = partial(e4net, **options), f"He et al. (2021), Table {table}", as_printed(counts, error)
    more: dict[str, Any] = {"rule": AND_NORMS, "others": tuple(others), **printed}
    return Row(key, name, "e4net", network, C4, width, RECIPE, source, "E4", **more)


E4_MNIST = (
    _e4net("e4net", "E4-Net", 1, "18.8k / 17M", "1.29 ± 0.023"),
    _e4net("e4net-large", "E4-Net (Large)", 1, "41.1k / 36.9M", "1.17 ± 0.019", width=24, slices=3),
    _e4net("e4net-released", "E4-Net, its norm per element", 1, "18.8k / 17M", "1.29 ± 0.023", affine="per_element"),
    _e4net("e4net-concat-none", "concatenate: none", 2, "9.9k / 8.9M", "4.10 ± 0.085", concat="none"),
    _e4net("e4net-concat-k", "concatenate: only K", 2, "14.4k / 13M", "1.96 ± 0.045", concat="K"),
    _e4net("e4net-concat-v", "concatenate: only V", 2, "14.4k / 13M", "1.52 ± 0.036", concat="V"),
    _e4net("e4net-s1", "s = 1", 3, "16.3k / 14.9M", "1.45 ± 0.022", slices=1),
    _e4net("e4net-s4", "s = 4", 3, "23.9k / 21.2M", "1.24 ± 0.026", slices=4),
    _e4net("e4net-r2", "r = 2", 3, "13.0k / 12M", "1.33 ± 0.026", reduction=2),
    _e4net("e4net-r4", "r = 4", 3, "10.1k / 9.5M", "1.37 ± 0.025", reduction=4),
    _e4net("e4net-k3", "k = 3", 3, "15.6k / 14.3M", "1.46 ± 0.031", kernel_size=3),
    _e4net("e4net-k7", "k = 7", 3, "23.8k / 21.1M", "1.27 ± 0.021", kernel_size=7),
)
TABLE = Table(
    "e4-rotated-mnist",
    "Rotated MNIST: E4-Net and its ablations",
    E4_MNIST,
    (
        Quoted("p4_SA", **as_printed("44.67k / 400M", "2.54 ± 0.052")),
        Quoted("p4_CNN", **as_printed("77.54k / 46.2M", "1.79 ± 0.043")),
        Quoted("α-P4CNN", **as_printed("73.13k / 27.0M", "1.69 ± 0.021")),
    ),
    "E4-Net has s = 2 slices, reduction r = 1, kernel size k = 5, and concatenates for K and V. The course's networks "
    "share the gain and bias of the norm in the kernel generator over the group, and are exactly invariant. The "
    "*released layout* has a pair for every element, and is not invariant once trained.\n\n"
    "The released layout stays below print on every row, by 0.4 to 2 % of the parameters (4 % where nothing is "
    "concatenated) and 3 to 9 % of the operations. The operations, printed as FLOPs, fit best if one "
    "multiply-accumulate is one operation, by the rule named above; the aggregation itself, Σ K ⊙ V, which the "
    "paper's own formula has, seems not to be in them. A 5×5 lift, no norm after the last E4 layer, and a bias where "
    "nothing is concatenated would fit nearly all rows; that is a guess.\n\n"
    "The rows for rotated MNIST of Lengyel & van Gemert quote α-P4CNN, too, with 1.70 ± 0.021.",
)
