# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Launch actions of the nodes of a system. The only module that needs launch and launch_ros."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from launch.actions import DeclareLaunchArgument, EmitEvent, OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from dmpcrl_ros.bringup import NodeSpec, nodes_of
from dmpcrl_ros.core.settings import Setting, build, dotted, table
from dmpcrl_ros.settings.deployment import DeploymentSettings
from dmpcrl_ros.settings.run import Settings, settings_table
from launch import LaunchContext

_OUTPUT = Setting(
    name='output',
    default='',
    kind=str,
    description='directory in which a monitor records the run; without it nothing is recorded',
)


@dataclass
class Outcome:
    """End of a launch: the reason, and what failed.

    Args:
        failures: exit codes of the nodes that failed.
        complete: whether a node ended regularly and so ended the others; otherwise a signal did.
    """

    failures: dict[str, int] = field(default_factory=dict)
    complete: bool = False


def launch_actions(
    nodes: list[NodeSpec],
    output: str = 'screen',
    outcome: Outcome | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[Any]:
    """A Node action for each node, and the end of all of them when one ends. A node that fails makes the launch fail.

    Args:
        nodes: of the system.
        output: of the nodes, as launch has it.
        outcome: is filled in at the end; None where nobody asks.
        environment: further environment variables of the nodes.
    """
    outcome = outcome or Outcome()
    actions: list[Any] = []
    for node in nodes:
        parameters = {
            name: ParameterValue(value, value_type=list[str] if isinstance(value, list) else type(value))
            for name, value in node.parameters.items()
            if value != []
        }
        action = Node(
            package='dmpcrl_ros',
            executable=node.executable,
            name=node.name,
            namespace=node.namespace or None,
            parameters=[parameters],
            remappings=list(node.remappings),
            ros_arguments=node.security(),
            output=output,
            additional_env={'OMP_NUM_THREADS': '1', **(environment or {})},
            respawn=node.respawn,
            respawn_delay=1.0,
        )
        actions.append(action)
        if not node.respawn:
            actions.append(RegisterEventHandler(OnProcessExit(target_action=action, on_exit=_end_with(node, outcome))))
    return actions


def _end_with(node: NodeSpec, outcome: Outcome) -> Callable[..., list[Any]]:
    """Handler of the end of a node: all others end, too, and launch reports an error unless it was a regular end."""

    def end(event: ProcessExited, context: LaunchContext) -> list[Any]:
        if context.is_shutdown:
            return []
        if event.returncode:
            outcome.failures[node.name] = event.returncode
            raise RuntimeError(f'{node.name} ended with exit code {event.returncode}')
        outcome.complete = True
        reason = 'the run is complete' if node.name == 'monitor' else f'{node.name} has ended'
        return [EmitEvent(event=Shutdown(reason=reason))]

    return end


def launch_arguments(**defaults: Any) -> list[Any]:
    """One launch argument for each setting, and an action that makes the nodes.

    Declared are the arguments of the default method and system of the launch file; those of another method or system
    can be given as well.

    Args:
        defaults: settings of this launch file that differ from the tables, by their names (`__` for a dot).
    """
    defaults = dotted(defaults)
    common = Settings(**{name: value for name, value in defaults.items() if name in ('system', 'method')})
    entries = [*settings_table(common.system, common.method), *table(DeploymentSettings), _OUTPUT]
    declared = [
        DeclareLaunchArgument(
            entry.name,
            default_value=_text(entry, defaults.get(entry.name, entry.default)),
            description=entry.description,
            choices=list(entry.choices) or None,
        )
        for entry in entries
    ]
    return [*declared, OpaqueFunction(function=_nodes)]


def _nodes(context: LaunchContext) -> list[Any]:
    given = context.launch_configurations
    entries = {entry.name: entry for entry in settings_table(given['system'], given['method'])}
    values = {name: entry.parse(given[name]) for name, entry in entries.items() if name in given}
    deployment = {entry.name: entry.parse(given[entry.name]) for entry in table(DeploymentSettings)}
    return launch_actions(
        nodes_of(Settings(**values), build(DeploymentSettings, deployment), output=given[_OUTPUT.name])
    )


def _text(entry: Setting, value: Any) -> str:
    return str(value).lower() if entry.kind is bool else str(entry.plain(value))
