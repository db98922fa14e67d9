"""Launch actions of the nodes of a scenario. The only module that needs launch and launch_ros."""

from typing import Any

from launch.actions import DeclareLaunchArgument, EmitEvent, OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from dmpcrl_ros.bringup import NodeSpec, nodes_of
from dmpcrl_ros.settings.nodes import RunSettings
from dmpcrl_ros.settings.run import Setting, table
from launch import LaunchContext

_OUTPUT = Setting('output', '', 'directory in which a monitor records the run; without it nothing is recorded')


def launch_actions(nodes: list[NodeSpec], output: str = 'screen') -> list[Any]:
    """A Node action for each node, and the end of all of them when one ends."""
    actions = []
    for node in nodes:
        parameters = {name: ParameterValue(value, value_type=type(value)) for name, value in node.parameters.items()}
        action = Node(package='dmpcrl_ros', executable=node.executable, name=node.name, namespace=node.namespace,
                      parameters=[parameters], remappings=list(node.remappings), output=output,
                      additional_env={'OMP_NUM_THREADS': '1'}, respawn=node.respawn, respawn_delay=1.0)
        reason = 'the run is complete' if node.name == 'monitor' else f'{node.label} has ended'
        actions.append(action)
        if not node.respawn:
            actions.append(RegisterEventHandler(OnProcessExit(
                target_action=action, on_exit=[EmitEvent(event=Shutdown(reason=reason))])))
    return actions


def launch_arguments(defaults: dict[str, Any] | None = None) -> list[Any]:
    """One launch argument for each setting, and the nodes that they describe.

    Args:
        defaults: settings of this launch file that differ from the table's.
    """
    defaults = defaults or {}
    entries = [*table(RunSettings), _OUTPUT]
    declared = [DeclareLaunchArgument(
        entry.name, default_value=str(defaults.get(entry.name, entry.default)).lower()
        if isinstance(entry.default, bool) else str(defaults.get(entry.name, entry.default)),
        description=entry.description, choices=list(entry.choices) or None) for entry in entries]
    return [*declared, OpaqueFunction(function=_nodes)]


def _nodes(context: LaunchContext) -> list[Any]:
    values = {entry.name: _parse(entry, LaunchConfiguration(entry.name).perform(context))
              for entry in table(RunSettings)}
    output = LaunchConfiguration(_OUTPUT.name).perform(context)
    return launch_actions(nodes_of(RunSettings(**values), output=output))


def _parse(entry: Setting, text: str) -> Any:
    if isinstance(entry.default, bool):
        if text.lower() not in ('true', 'false'):
            entry.check(text)
        return text.lower() == 'true'
    try:
        return type(entry.default)(text)
    except ValueError:
        return entry.check(text)
