# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Named things of this package and of others."""

import pytest

from dmpcrl_ros.core.registry import Registry, RegistryError

GROUP = 'test.shapes'


@pytest.fixture
def registry():
    return Registry('shape', GROUP, {'ordered': 'collections:OrderedDict', 'deque': 'collections:deque'})


def test_a_built_in_object_is_imported_by_its_name(registry):
    from collections import OrderedDict

    assert registry['ordered'] is OrderedDict
    assert registry.names() == ('ordered', 'deque')


def test_an_object_of_an_installed_package_is_found_by_its_entry_point(registry, install):
    places = {GROUP: {'small': 'circles:SMALL', 'big': 'circles:BIG'}, 'another.group': {'no': 'circles:BIG'}}
    install('circles', places, 'SMALL, BIG = "o", "O"\n')
    assert registry['big'] == 'O' and registry['small'] == 'o'
    assert registry.names() == ('ordered', 'deque', 'big', 'small')


def test_nothing_is_imported_before_it_is_asked_for(registry, install):
    install('eager', {GROUP: {'eager': 'eager:THING'}}, 'raise RuntimeError("imported")\n')
    assert 'eager' in registry.names() and registry['deque']


def test_a_package_cannot_take_the_name_of_what_is_built_in(registry, install):
    from collections import deque

    install('impostor', {GROUP: {'deque': 'impostor:FALSE'}}, 'FALSE = 1\n')
    assert registry['deque'] is deque and registry.names() == ('ordered', 'deque')


def test_an_unknown_name_is_refused_with_the_names_there_are(registry, install):
    install('squares', {GROUP: {'square': 'squares:SQUARE'}}, 'SQUARE = 1\n')
    with pytest.raises(RegistryError, match="^there is no shape 'cube'; there are ordered, deque, square$"):
        registry['cube']


@pytest.mark.parametrize(
    'code, reason',
    [
        ('import there_is_no_such_module\n', "No module named 'there_is_no_such_module'"),
        ('', "has no attribute 'THING'"),
        ('from collections import there_is_no_such_name\n', 'cannot import name'),
        ('def thing(:\n', 'invalid syntax'),
        ('1 / 0\n', 'division by zero'),
    ],
    ids=['import', 'attribute', 'name', 'syntax', 'error'],
)
def test_what_cannot_be_loaded_is_refused_with_its_place_and_the_reason(registry, install, request, code, reason):
    module = f'broken_{request.node.callspec.id}'
    install(module, {GROUP: {'broken': f'{module}:THING'}}, code)
    with pytest.raises(RegistryError, match=f"^shape 'broken' cannot be loaded from {module}:THING: .*{reason}"):
        registry['broken']


def test_a_package_that_is_mended_is_loaded(registry, install, tmp_path):
    """A failure is not kept."""
    install('mended', {GROUP: {'mended': 'mended:THING'}}, 'import there_is_no_such_module\n')
    with pytest.raises(RegistryError):
        registry['mended']
    (tmp_path / 'mended' / 'mended.py').write_text('THING = "whole"  # and of another size than before\n')
    assert registry['mended'] == 'whole'
