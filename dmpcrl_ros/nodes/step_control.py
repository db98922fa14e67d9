# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Services that pause a control loop between two steps."""

from rclpy.node import Node
from std_srvs.srv import Trigger

from dmpcrl_ros.nodes.common import answer


class StepControl:
    """~/pause, ~/resume and ~/step of a node.

    Args:
        node: that closes the loop.
    """

    def __init__(self, node: Node):
        self._paused, self._single_steps = False, 0
        self.held = False  # whether the loop is paused
        for name, service in (('resume', self._on_resume), ('pause', self._on_pause), ('step', self._on_step)):
            node.create_service(Trigger, f'~/{name}', service)

    def admits(self) -> bool:
        """Whether a step may begin: the loop is not paused, or a single step was requested."""
        self.held = self._paused and not self._single_steps
        if not self.held:
            self._single_steps = max(self._single_steps - 1, 0)
        return not self.held

    def take_back(self) -> None:
        """Keep the request of a single step that could not begin."""
        self._single_steps += self._paused

    def _on_resume(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._paused, self._single_steps = False, 0
        return answer(response, True, 'resumed')

    def _on_pause(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._paused, self._single_steps = True, 0
        return answer(response, True, 'paused before the next step')

    def _on_step(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._paused, self._single_steps = True, self._single_steps + 1
        return answer(response, True, 'one step')
