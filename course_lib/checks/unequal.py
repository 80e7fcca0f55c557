"""Take away the symmetry that a network has only because it is new. Notebook 05."""

from torch import Generator, Tensor, nn


def make_unequal(net: nn.Module, generator: Generator, by: float = 0.25) -> None:
    """Add noise, uniform in [−by, by], to every parameter and running mean whose values are all equal, in place.

    All gains start as 1 and all biases as 0. As long as they are equal, it does not show that a layer has one for every
    sheet or for every pixel; training makes them differ. Running variances are multiplied by 1 + noise: they stay
    positive. Frozen parameters, and those that differ already, are left alone. Notebook 05.
    """

    def noise(p: Tensor) -> Tensor:
        return p.new_empty(p.shape).uniform_(-by, by, generator=generator)

    def all_equal(p: Tensor) -> bool:
        return p.numel() > 0 and bool(p.min() == p.max())

    for p in net.parameters():
        if p.requires_grad and all_equal(p):
            p.data.add_(noise(p))
    for name, buffer in net.named_buffers():
        if name.endswith("running_mean") and all_equal(buffer):
            buffer.add_(noise(buffer))
        if name.endswith("running_var") and all_equal(buffer):
            buffer.mul_(1 + noise(buffer))
