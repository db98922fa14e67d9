# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The arguments that a launch file was given. launch itself ignores those that no launch file knows."""

from launch.actions import IncludeLaunchDescription
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions

from launch import LaunchContext, LaunchDescriptionEntity


def given_arguments(part: LaunchDescriptionEntity, context: LaunchContext) -> set[str]:
    """Names of the arguments that the launch file was given, by the command line or by the file that includes it.

    What other launch files were given is not among them, although a launch file inherits its value.

    Args:
        part: of what the launch file describes.
        context: in which it is launched.
    """
    event = context.get_locals_as_dict().get('event')
    including = _including(part, event.launch_description) if hasattr(event, 'launch_description') else None
    return {
        perform_substitutions(context, normalize_to_list_of_substitutions(name))
        for name, _ in (including.launch_arguments if including else ())
    }


def _including(
    part: LaunchDescriptionEntity, entity: LaunchDescriptionEntity, innermost: IncludeLaunchDescription | None = None
) -> IncludeLaunchDescription | None:
    """The innermost action within an entity that includes a part; None if there is none."""
    if entity is part:
        return innermost
    innermost = entity if isinstance(entity, IncludeLaunchDescription) else innermost
    conditional = (child for _, children in entity.describe_conditional_sub_entities() for child in children)
    found = (_including(part, child, innermost) for child in [*entity.describe_sub_entities(), *conditional])
    return next(filter(None, found), None)
