"""The share of the first principal component: against scikit-learn, and where it is known."""

import pytest
import torch
from sklearn.decomposition import PCA

from course_lib.layers import separable_filters
from course_lib.redundancy import explained_by_pc1


@pytest.mark.parametrize("order, k", [(4, 3), (8, 3), (4, 4)])
def test_shares_equal_those_of_a_library(order, k):
    psi = torch.randn(3, 2, order, k, k, dtype=torch.float64)
    expected = [
        PCA().fit(filters.reshape(order, k * k).T).explained_variance_ratio_[0]
        for output in psi.numpy()
        for filters in output
    ]
    torch.testing.assert_close(explained_by_pc1(psi), torch.tensor(expected, dtype=torch.float64))


def test_filters_that_share_a_kernel_have_one_component():
    psi = separable_filters(torch.randn(3, 2, 3, 3).double(), torch.randn(3, 2, 4).double())
    torch.testing.assert_close(explained_by_pc1(psi), torch.ones(6).double())


def test_sheets_at_right_angles_share_nothing():
    psi = torch.zeros(1, 1, 4, 3, 3)
    for sheet, signs in enumerate([(0, 8), (1, 7), (2, 6), (3, 5)]):
        psi[0, 0, sheet].view(-1)[list(signs)] = torch.tensor([1.0, -1.0])
    torch.testing.assert_close(explained_by_pc1(psi), torch.tensor([0.25]))
