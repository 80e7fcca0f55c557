"""CIFAR-10 and CIFAR-100: ResNet29 and ResNet83 with affine self convolution, as data."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from course_lib.experiments.row import Recipe, Row, Table, as_printed
from course_lib.groups import C1, C4, Group
from course_lib.layers import AffineSelfConv2d, SimpleAffineSelfConv2d, StandAloneSelfAttention2d
from course_lib.models import bottleneck_resnet

RECIPE = Recipe(
    dataset="cifar10", train=45_000, validation=5_000, test=10_000,
    augmentation=("flip", "crop2"), normalization="channel",
    optimizer="sgd", learning_rate=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4, batch_size=128, epochs=100,
    milestones=(50, 75), factor=0.1, warmup=10, seeds=8,
    note="The batch size is not stated; 128 is that of the other papers.",
)  # fmt: skip
LONG = replace(RECIPE, milestones=(100, 150), epochs=200, seeds=1)

_attention = {
    "SASA": partial(StandAloneSelfAttention2d, kernel_size=5, heads=8),
    "Simple_ASC": partial(SimpleAffineSelfConv2d, kernel_size=5, heads=8),
    "ASC": partial(AffineSelfConv2d, kernel_size=5, heads=8),
}


def _rows(group: Group, parts: str, ten: str, hundred: str = "", note: str = "") -> Iterator[Row]:
    """ResNet29 on CIFAR-10, on CIFAR-100 where that was published, and ResNet83 on CIFAR-10.

    ``ten`` and ``hundred`` are "accuracy, parameters" as printed.
    """
    p4, words = group != C1, parts.split("+") if parts else []
    key = "-".join([f"{'p4-' * p4}resnet29", *words]).lower().replace("_", "-")
    name, network = " + ".join([f"{'p4' * p4}ResNet29", *words]), partial(bottleneck_resnet, **_options(words, p4))
    source, layer = "Affine self convolution, Table 2", parts or "full"
    row = Row(
        key, name, "bottleneck_resnet", network, group, 8 if p4 else 16, RECIPE, source, layer, measure="accuracy"
    )
    yield replace(row, note=note, **_published(ten))
    if hundred:
        source, recipe = "Affine self convolution, Table 1", replace(RECIPE, dataset="cifar100")
        yield replace(row, key=f"{row.key}-cifar100", recipe=recipe, source=source, **_published(hundred))
    key, name, deeper = row.key.replace("29", "83"), row.name.replace("29", "83"), partial(row.network, blocks=9)
    yield replace(row, key=key, name=name, network=deeper, recipe=LONG, source="Affine self convolution, Figure 7")


def _options(words: list[str], p4: bool) -> dict[str, Any]:
    attention = next((_attention[word] for word in words if word in _attention), None)
    # Convolutions are strided as in any ResNet; where attention makes the branches exact, the shortcuts are as well.
    return {
        "attention": attention,
        "exact": attention is not None,
        "squeeze": (4 if p4 else 16) if "SE" in words else None,
    }


def _published(printed: str) -> dict[str, Any]:
    accuracy, parameters = printed.split(", ")
    return as_printed(parameters, accuracy)


_all = (
    *_rows(C1, "", "91.18 ± 0.34, 313k", "68.34 ± 0.38, 336k"),
    *_rows(C1, "SE", "91.39 ± 0.15, 347k"),
    *_rows(
        C4, "", "93.02 ± 0.16, 310k", "72.03 ± 0.46, 321k",
        note="309k with the recipe that fits the 14 other printed counts, CIFAR-100 among them.",
    ),
    *_rows(C4, "SE", "93.24 ± 0.17, 342k", "72.03 ± 0.45, 354k"),
    *_rows(C1, "SASA", "89.43 ± 0.40, 235k"),
    *_rows(C1, "Simple_ASC", "91.01 ± 0.24, 217k", "68.40 ± 0.78, 240k"),
    *_rows(C1, "ASC", "91.24 ± 0.32, 268k", "68.68 ± 0.77, 291k"),
    *_rows(C1, "ASC+SE", "91.21 ± 0.11, 301k"),
    *_rows(C4, "ASC", "93.03 ± 0.25, 272k", "72.71 ± 0.51, 283k"),
)  # fmt: skip
ASC = tuple(sorted(_all, key=lambda row: (row.recipe.epochs, row.recipe.dataset != "cifar10")))

TABLE = Table(
    "asc",
    "CIFAR-10 and CIFAR-100: affine self convolution",
    ASC,
    note="Open in the paper, and chosen here: the scores are divided by the channels of one head; neighbors outside "
    "of the map count as zeros, with their β; in networks with attention the shortcuts that halve the map take 2×2 "
    "means first, which keeps p4 exact and the counts as they are; squeeze-and-excite stands at the end of the branch, "
    "before the sum. Networks without attention are strided.\n\n"
    "ResNet83 was run once for each network and is shown in a figure without numbers. No operations are printed.",
)
