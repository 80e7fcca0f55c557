"""Every test starts from the same random numbers: what fails once fails again."""

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
