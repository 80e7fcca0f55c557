"""The small E4 network of notebook 08: invariant for every group, and its options reach both E4 layers."""

import pytest
import torch

from course_lib.actions import act_on_image
from course_lib.groups import ALL_GROUPS, C4
from course_lib.layers import E4Layer
from course_lib.models import small_e4net


@pytest.mark.parametrize("group", ALL_GROUPS, ids=str)
def test_invariant(group):
    net, x = small_e4net(group, 4, 3).double().eval(), torch.randn(2, 1, 12, 12, dtype=torch.float64)
    for h in group.elements:
        torch.testing.assert_close(net(act_on_image(h, x)), net(x))
    with pytest.raises(AssertionError):
        torch.testing.assert_close(net(x.flip(0)), net(x))


def test_options_go_to_both_layers():
    net = small_e4net(C4, 8, kernel_size=3, slices=4, reduction=2, concat="V")
    layers = [layer for layer in net if isinstance(layer, E4Layer)]
    assert [(e4.kernel_size, e4.slices, e4.reduction, e4.concat) for e4 in layers] == [(3, 4, 2, "V")] * 2
