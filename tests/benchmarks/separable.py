"""Which form of a separable layer is faster? Training step and inference, against the full group convolution.

Run: ``uv run python tests/benchmarks/separable.py``. Medians of interleaved runs on one thread; ratios, not seconds.
"""

import statistics
import time

import torch

from course_lib.groups import C1, C4, D4
from course_lib.layers import GCSeparableConv2d, GroupConv2d, GSeparableConv2d

SHAPES = [  # group, channels, pixels, batch
    (C1, 32, 32, 32),
    (C4, 2, 28, 64),
    (C4, 10, 28, 64),
    (C4, 30, 28, 16),
    (D4, 4, 32, 16),
    (D4, 22, 32, 8),
    (D4, 44, 16, 8),
    (D4, 88, 8, 8),
]
RUNS = 7


def training_step(form, x):
    form(x).square().mean().backward()


def inference(form, x):
    with torch.no_grad():
        form(x)


def medians(work, forms, x):
    """Median seconds of each form, the forms taking turns so that a slow moment of the machine hits all alike."""
    seconds = {name: [] for name in forms}
    for _ in range(RUNS + 1):
        for name, form in forms.items():
            start = time.perf_counter()
            work(form, x)
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def main():
    torch.set_num_threads(1)
    print("speed relative to GroupConv2d of the same width, 3×3 (above 1: faster)")
    print(
        f"{'shape':<28}{'':<11}" + "".join(f"{name:>13}" for name in ("g full", "g factored", "gc full", "gc factored"))
    )
    for group, channels, pixels, batch in SHAPES:
        x = torch.randn(batch, channels, group.order, pixels, pixels, requires_grad=True)
        layers = [
            layer(group, channels, channels, 3, padding=1)
            for layer in (GroupConv2d, GSeparableConv2d, GCSeparableConv2d)
        ]
        plain, g, gc = layers
        forms = {
            "plain": plain,
            "g full": g.full,
            "g factored": g.factored,
            "gc full": gc.full,
            "gc factored": gc.factored,
        }
        for name, work in (("training", training_step), ("inference", inference)):
            for layer in layers:
                layer.train(name == "training")
            taken = medians(work, forms, x)
            ratios = "".join(f"{taken['plain'] / taken[form]:13.2f}" for form in list(forms)[1:])
            print(f"{f'{group} {channels} ch {pixels} px batch {batch}':<28}{name:<11}{ratios}", flush=True)


if __name__ == "__main__":
    main()
