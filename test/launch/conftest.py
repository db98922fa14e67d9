# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The real ros2 launch and command line, each test in a ROS domain of its own."""

import pytest
from terminal import Tools, found


@pytest.fixture
def tools(domain, tmp_path):
    """Starts what is under test; all that is left of it is killed at the end."""
    where = found()
    if where is None:
        pytest.skip('ros2 launch is not installed; its wheels: make test ROS2_TOOLS=folder')
    started = Tools(where, tmp_path)
    yield started
    started.kill()
