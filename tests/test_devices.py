"""What can be said of GPUs on a machine without one: nothing is left behind on the CPU, nothing is float64 on MPS."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from course_lib.data import Split, on_background, random_rotations
from course_lib.experiments import find
from course_lib.groups import C4
from course_lib.layers import GroupSelfAttention2d
from course_lib.models import p4cnn
from course_lib.training import TrainConfig, require_device, train

KINDS = ("p4cnn-rotation-pooling-cohen", "c-z2cnn", "g-p4cnn", "gc-p4m-resnet44", "e4net", "p4m-e4r18")
KINDS += ("p4-resnet29-se", "resnet29-sasa", "resnet29-simple-asc", "p4-resnet29-asc")


def step(net: nn.Module, x: Tensor) -> None:
    """Forward and backward in training mode, then forward in eval mode; all on the device "meta", which every machine
    has: shapes without numbers, and an error where devices are mixed."""
    net.to("meta")(x).sum().backward()
    assert all(p.grad is not None and p.grad.device.type == "meta" for p in net.parameters())
    assert net.eval()(x).device.type == "meta"


@pytest.mark.parametrize("key", KINDS)
def test_networks_leave_nothing_on_the_cpu(key: str) -> None:
    row = find(key)
    step(row.build(), torch.rand(2, *row.recipe.image_shape, device="meta"))


def test_group_self_attention_leaves_nothing_on_the_cpu() -> None:
    step(GroupSelfAttention2d(C4, 4, 4, 3), torch.rand(2, 4, 4, 6, 7, device="meta"))


def test_a_constant_left_on_the_cpu_is_found() -> None:
    class Forgetful(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + torch.arange(self.out_features)

    with pytest.raises(RuntimeError, match="device"):
        step(Forgetful(3, 4), torch.rand(2, 3, device="meta"))


class LikeMPS(Tensor):
    """Refuses float64 as MPS does, until it has been brought to the CPU."""

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if function in (Tensor.cpu, Tensor.item, Tensor.tolist):
            return function(args[0].as_subclass(Tensor))
        result = super().__torch_function__(function, types, args, kwargs or {})
        # Sums that were begun in float64 have been begun on the CPU, where the test runs.
        doubled = isinstance(result, Tensor) and result.dtype == torch.float64
        if doubled and isinstance(args[0], cls) and args[0].dtype != torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64")
        return result


def split(images: int) -> Split:
    return Split(torch.rand(images, 1, 28, 28).as_subclass(LikeMPS), (torch.arange(images) % 10).as_subclass(LikeMPS))


def test_training_and_validation_need_no_float64_on_the_device() -> None:
    config = TrainConfig(epochs=1, batch_size=20, learning_rate=0.01)
    augment = on_background(random_rotations, (0.1,))
    history = train(p4cnn(C4, 2), split(40), config, split(20), augment, device="cpu")
    assert history.epochs_done == 1 and 0 <= history.validation_accuracy[0] <= 1
    with pytest.raises(TypeError, match="float64"):
        split(4).images.double()


def test_a_device_that_training_cannot_use_is_refused() -> None:
    with pytest.raises(ValueError, match="has no autocast on 'meta'"):
        require_device("meta")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is such a device here")
def test_a_device_that_is_not_there_is_named_in_one_short_line() -> None:
    with pytest.raises(ValueError, match=r"no device 'mps' here \(.*\); cpu is always there") as refused:
        require_device("mps")
    assert len(str(refused.value)) < 200 and "\n" not in str(refused.value)
