"""Networks with trained weights that come with the package, to be looked at without a training."""

import json
from io import BytesIO
from typing import Any

import torch
from torch import nn

from course_lib.data.bundled import bundled
from course_lib.errors import UnknownName
from course_lib.experiments.tables import find, variant
from course_lib.groups import ALL_GROUPS

GROUPS = {group.name: group for group in ALL_GROUPS}


def trained(name: str) -> nn.Module:
    """The network of a table's row with trained weights, in eval mode.

    "p4cnn" and its like are rows whose run is stored; the images that they take are normalized as the row's recipe
    says. "upright-cnn" and "upright-p4cnn" have seen the bundled digits alone, and none of them turned.
    ``trained_weights()[name]`` says where the weights come from: the result file, the test error, a checksum. Raises
    LookupError for a name that is not there, and ValueError if the file is damaged.

        >>> trained("p4cnn")(torch.zeros(1, 1, 28, 28)).shape
        torch.Size([1, 10])
    """
    known = trained_weights()
    if name not in known:
        raise UnknownName(f"there are no trained weights for {name!r}; there are some for {', '.join(known)}")
    about = known[name]
    content = bundled(f"trained/{about['file']}", about["sha256"])
    with torch.random.fork_rng(devices=[]):
        net = variant(find(about["row"]), GROUPS[about["group"]], about["width"]).build()
    net.load_state_dict(torch.load(BytesIO(content), weights_only=True))
    return net.eval()


def trained_weights() -> dict[str, dict[str, Any]]:
    """What is there: name → the row, its group and width, the file with its SHA-256, where the weights come from."""
    known: dict[str, dict[str, Any]] = json.loads(bundled("trained/weights.json"))
    return known
