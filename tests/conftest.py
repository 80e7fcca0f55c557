"""Every test starts from the same random numbers: what fails once fails again."""

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded():
    torch.default_generator.manual_seed(0)  # torch.manual_seed notes the whole stack, for GPUs that are not there
