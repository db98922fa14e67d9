# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""StepControl and single steps of a control loop."""

import pytest

pytest.importorskip('rclpy')

from std_srvs.srv import Trigger  # noqa: E402

from dmpcrl_ros.nodes.step_control import StepControl  # noqa: E402


class Services:
    """Keeps the services instead of advertising them."""

    def __init__(self):
        self.call = {}

    def create_service(self, kind, name, callback):
        self.call[name.removeprefix('~/')] = lambda: callback(Trigger.Request(), Trigger.Response())


def test_single_steps_are_counted_and_a_pause_or_a_resume_forgets_them():
    services = Services()
    pause = StepControl(services)
    assert pause.admits() and not pause.held
    services.call['step'](), services.call['step']()
    assert [pause.admits() for _ in range(3)] == [True, True, False] and pause.held
    services.call['step'](), services.call['step']()
    assert services.call['pause']().success and not pause.admits()
    services.call['step']()
    assert services.call['resume']().success and all(pause.admits() for _ in range(3))
    services.call['pause']()
    assert not pause.admits()
