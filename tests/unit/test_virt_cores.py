# SPDX-License-Identifier: Apache-2.0
"""No two vCPUs of a guest share a core."""

import pytest

from hotremove.virt.cores import shares


@pytest.mark.parametrize(
    ("cores", "vcpus", "expected"),
    [
        ([0, 1], 2, ((0,), (1,))),
        ([0, 1, 2, 5, 7], 2, ((0, 2, 7), (1, 5))),
        ([4, 5, 6], 1, ((4, 5, 6),)),
        ([3], 2, ()),
    ],
)
def test_each_vcpu_has_cores_of_its_own(cores, vcpus, expected):
    assert shares(cores, vcpus) == expected
