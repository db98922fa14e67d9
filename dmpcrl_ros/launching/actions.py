# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Launch actions of the nodes of a system, and how a launch of them ends."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from launch.actions import DeclareLaunchArgument, EmitEvent, LogInfo, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.events import matches_action
from launch.events.process import ProcessExited, ShutdownProcess
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from dmpcrl_ros.bringup import NodeSpec
from dmpcrl_ros.core.process import ENDING
from dmpcrl_ros.topics import MONITOR
from launch import LaunchContext

# ROS 2 takes a text y or n for a truth value, and nan or 1e5 for a number. PyYAML, by which launch writes parameters,
# does not and leaves such texts without quotes.
_NUMBER = re.compile(r'[-+]?(inf(inity)?|nan|[0-9][0-9.]*(e[-+]?[0-9]+)?|0x[0-9a-f.]+(p[-+]?[0-9]+)?)$', re.IGNORECASE)
yaml.Dumper.add_implicit_resolver('tag:yaml.org,2002:bool', re.compile('[yYnN]$'), list('yYnN'))
yaml.Dumper.add_implicit_resolver('tag:yaml.org,2002:float', _NUMBER, list('-+0123456789iInN'))

# Python answers a Ctrl-C with a traceback until the node is ready to handle it: the node lets them through then.
# A user's own prefix, as of a debugger, goes before this one.
_HOLD_SIGNALS = f'env --block-signal={",".join(number.name.removeprefix("SIG") for number in ENDING)}'


@dataclass
class Outcome:
    """End of a launch: the reason, and what failed.

    Args:
        failures: exit codes of the nodes that failed.
        ended_by: node that ended regularly and so ended the others, the monitor of a complete run; empty where a signal
            did.
    """

    failures: dict[str, int] = field(default_factory=dict)
    ended_by: str = ''


def launch_actions(
    nodes: list[NodeSpec],
    output: str = 'screen',
    outcome: Outcome | None = None,
    environment: Mapping[str, str] | None = None,
    parameter_files: Sequence[str] = (),
    ros_arguments: Sequence[str] = (),
) -> list[Any]:
    """A Node action for each node, and the end of all of them when one ends.

    Other nodes of the same launch continue after a regular end. A node that fails makes the whole launch fail.

    Args:
        nodes: of the system.
        output: of the nodes, as launch has it.
        outcome: is filled in at the end; None where nobody asks.
        environment: further environment variables of the nodes.
        parameter_files: of all nodes; the parameters of a node itself come after them.
        ros_arguments: further ROS arguments of all nodes.
    """
    outcome = outcome or Outcome()
    actions: list[Any] = [DeclareLaunchArgument('launch-prefix', default_value=_HOLD_SIGNALS)]
    processes: list[Node] = []
    for node in nodes:
        process = _process(node, output, environment or {}, parameter_files, ros_arguments)
        processes.append(process)
        if not node.respawn:
            handler = OnProcessExit(target_action=process, on_exit=_end_with(node, outcome, processes))
            actions.append(RegisterEventHandler(handler))
    return [*actions, *processes]  # the handler that launch adds for a process then comes first, with its last words


def _process(
    node: NodeSpec,
    output: str,
    environment: Mapping[str, str],
    parameter_files: Sequence[str],
    ros_arguments: Sequence[str],
) -> Node:
    """Node action of one node; arguments as of launch_actions."""
    return Node(
        package='dmpcrl_ros',
        executable=node.executable,
        exec_name=node.name,
        name=node.name,
        namespace=node.namespace or None,
        parameters=[*parameter_files, _typed(node.parameters)],
        remappings=list(node.remappings),
        ros_arguments=[*node.security(), *ros_arguments],
        output=output,
        additional_env={'OMP_NUM_THREADS': '1', **environment},
        respawn=node.respawn,
        respawn_delay=1.0,
    )


def _typed(parameters: Mapping[str, Any]) -> dict[str, ParameterValue]:
    """Parameters as launch has them, without empty lists, which have no type."""
    return {
        name: ParameterValue(value, value_type=list[str] if isinstance(value, list) else type(value))
        for name, value in parameters.items()
        if value != []
    }


def _end_with(node: NodeSpec, outcome: Outcome, processes: Sequence[Node]) -> Callable[..., list[Any]]:
    """Handler of the end of a node, which ends all processes of the system.

    Launch reports an error unless it was a regular end.
    """

    def end(event: ProcessExited, context: LaunchContext) -> list[Any]:
        if context.is_shutdown or outcome.ended_by:
            return []
        if event.returncode:
            outcome.failures[node.name] = event.returncode
            raise RuntimeError(f'{node.name} ended with exit code {event.returncode}')
        outcome.ended_by = node.name
        reason = 'the run is complete' if node.name == MONITOR else f'{node.name} has ended'
        where = f' in {node.namespace}' if node.namespace else ''
        ends = [EmitEvent(event=ShutdownProcess(process_matcher=matches_action(each))) for each in processes]
        return [LogInfo(msg=f'{reason}: the nodes of the system{where} end'), *ends]

    return end
