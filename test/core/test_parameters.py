# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""theta is a flat vector with named parts."""

import numpy as np
import pytest

from dmpcrl_ros.core.parameters import ParameterLayout

LAYOUT = ParameterLayout({'V0': (1,), 'b': (2,), 'A': (2, 3), 'ac': (1,)})
VALUES = {'V0': np.array([7.0]), 'b': np.array([1.0, 2.0]), 'A': np.arange(6.0).reshape(2, 3), 'ac': np.array([9.0])}


def test_parts_lie_one_after_the_other_in_row_major_order():
    assert LAYOUT.pack(VALUES).tolist() == [7, 1, 2, 0, 1, 2, 3, 4, 5, 9]
    assert LAYOUT.names == ('V0', 'b', 'A', 'ac') and LAYOUT.sizes == (1, 2, 6, 1) and LAYOUT.size == 10
    assert LAYOUT.slices['A'] == slice(3, 9)


def test_unpack_undoes_pack():
    found = LAYOUT.unpack(LAYOUT.pack(VALUES))
    assert list(found) == list(VALUES)
    assert all(np.array_equal(found[name], VALUES[name]) for name in VALUES)


def test_pack_undoes_unpack():
    theta = np.random.default_rng(0).standard_normal(10)
    assert np.array_equal(LAYOUT.pack(LAYOUT.unpack(theta)), theta)


def test_every_element_has_a_label():
    assert LAYOUT.labels == ['V0', 'b[0]', 'b[1]', 'A[0,0]', 'A[0,1]', 'A[0,2]', 'A[1,0]', 'A[1,1]', 'A[1,2]', 'ac']


def test_a_part_of_the_wrong_shape_is_refused_by_name():
    with pytest.raises(ValueError, match=r'parameter A has shape \(3, 2\), expected \(2, 3\)'):
        LAYOUT.pack(VALUES | {'A': np.zeros((3, 2))})


def test_a_part_too_many_is_refused_by_name():
    with pytest.raises(ValueError, match='no such parameter: C'):
        LAYOUT.pack(VALUES | {'C': np.zeros(1)})


def test_a_missing_part_is_refused_by_name():
    with pytest.raises(KeyError, match='b'):
        LAYOUT.pack({name: value for name, value in VALUES.items() if name != 'b'})
