# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Services of a node that runs agents."""

from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from dmpcrl_ros.nodes.common import answer
from dmpcrl_ros.recording.checkpoint_manager import CheckpointManager


class AgentServices:
    """~/set_learning, ~/save, ~/load and ~/reset of a node, for all its agents.

    Args:
        node: that runs the agents.
        managers: of their checkpoints.
    """

    def __init__(self, node: Node, managers: Sequence[CheckpointManager]):
        self._node, self._managers = node, managers
        node.create_service(SetBool, '~/set_learning', self._on_set_learning)
        for name, action in (
            ('save', CheckpointManager.save),
            ('load', CheckpointManager.load),
            ('reset', CheckpointManager.reset),
        ):
            node.create_service(Trigger, f'~/{name}', self._on(action))

    def _on(self, action: Callable[[CheckpointManager], tuple[bool, str]]) -> Callable[..., Any]:
        def serve(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            outcomes = [action(manager) for manager in self._managers]
            return answer(
                response,
                all(success for success, _ in outcomes),
                '; '.join(dict.fromkeys(message for _, message in outcomes)),
            )

        return serve

    def _on_set_learning(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        (result,) = self._node.set_parameters([Parameter('learn', value=request.data)])
        done = 'learning, if all agents of the network do' if request.data else 'no agent of the network learns'
        return answer(response, result.successful, done if result.successful else result.reason)
