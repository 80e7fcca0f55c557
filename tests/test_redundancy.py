"""The share of the first principal component: against scikit-learn, and where it is known."""

import pytest
import torch
from sklearn.decomposition import PCA

from course_lib.layers import separable_filters
from course_lib.redundancy import explained_by_pc1, mixed_sheets


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


def test_mixing_keeps_the_sheets_and_their_places_but_not_the_filters():
    psi = torch.arange(600.0).reshape(10, 5, 4, 3, 1).expand(-1, -1, -1, -1, 3)
    mixed = mixed_sheets(psi)
    assert mixed.shape == psi.shape
    for before, after in zip(psi.flatten(0, 1).unbind(1), mixed.flatten(0, 1).unbind(1), strict=True):
        assert torch.equal(after.flatten(1).sort(dim=0).values, before.flatten(1))
    together = mixed[..., 0, 0].flatten(0, 1) // 12  # the filter that each sheet comes from
    assert (together == together[:, :1]).all(dim=1).float().mean() < 0.1


def test_mixing_takes_away_what_the_sheets_of_a_filter_share_and_nothing_else():
    generator = torch.Generator().manual_seed(0)
    kernel = torch.randn(10, 10, 3, 3, generator=generator)
    pointwise = torch.randn(10, 10, 4, generator=generator)
    own, common = separable_filters(kernel, pointwise), separable_filters(kernel[:1, :1].expand_as(kernel), pointwise)
    assert explained_by_pc1(mixed_sheets(own)).mean() < 0.8
    torch.testing.assert_close(explained_by_pc1(mixed_sheets(common)), torch.ones(100))
