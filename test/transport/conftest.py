# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Fixtures of the tests of the bridge."""

import pytest
import yaml


@pytest.fixture
def load(tmp_path):
    """Reads a mapping, as text or as data, for the bridge in the namespace /fleet."""
    from bridge_parts import PAIR, resolve

    from dmpcrl_ros.transport.bridge_file import load_mapping

    def load(declared, of=PAIR):
        path = tmp_path / 'bridge.yaml'
        path.write_text(declared if isinstance(declared, str) else yaml.safe_dump(declared))
        return load_mapping(path, of, resolve)

    return load
