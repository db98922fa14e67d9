# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Interface of a method, and its metrics."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from typing import Protocol as Interface

from dmpcrl_ros.core.agent import Agent
from dmpcrl_ros.core.exchange import ProgramError
from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.systems.system import System


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number that a method reports for each control step and agent.

    It is a field of the status message and, if it has a column, of the recorded steps.

    Args:
        name: of the field.
        meaning: in one line.
        unit: empty for none.
        column: how the values of all agents become one column of steps.csv. 'ended': the agents agree on the value, for
            the transition that ended in the step. 'begun': the largest of all agents, for the transition that begins in
            the step. Empty: the metric is not recorded.
        flag: whether it is 0 or 1.
    """

    name: str
    meaning: str
    unit: str = ''
    column: str = ''
    flag: bool = False

    @property
    def of_transition(self) -> bool:
        """Whether it is a number, and no flag, about the transition that ended."""
        return self.column == 'ended' and not self.flag

    def __post_init__(self) -> None:
        if self.column not in ('', 'begun', 'ended'):
            raise ValueError(f"the column of metric {self.name} must be 'begun', 'ended' or empty, not {self.column!r}")


def check_metrics(reported: Mapping[str, float], declared: Collection[str]) -> None:
    """Raise a ProgramError that names the metric if an agent reports one that its method does not declare."""
    if unknown := reported.keys() - declared:
        raise ProgramError(
            f'an agent reports the metric {min(unknown)!r}; its method declares {", ".join(declared) or "none"}'
        )


class Method(Interface):
    """A way for agents to act and learn.

    Attributes:
        name: by which it is registered.
        title: description in one line.
        settings: class of its settings (core.settings). If some of them have no effect beside others, it has a class
            method without_effect(values), which returns them.
        requires: class of the systems that it can control.
        metrics: of its agents.
    """

    name: str
    title: str
    settings: type
    requires: type[System]
    metrics: tuple[Metric, ...]

    def layout(self, system: System, index: int) -> ParameterLayout:
        """Names of the recorded parameters of one agent; empty for a method without parameters."""

    def agent(self, system: System, index: int, settings: Any, *, seed: int, learn: bool) -> Agent:
        """One agent of a system.

        Args:
            system: of the class that the method requires.
            index: of the agent.
            settings: of the method.
            seed: of the run.
            learn: whether the agent learns, or only acts with its parameters.

        Raises:
            SettingError: the settings do not fit the system.
        """


class CentralisedMethod(Method, Interface):
    """A method with a centralised twin, for comparison."""

    def central_agent(self, system: System, settings: Any, *, seed: int, learn: bool) -> Agent:
        """One controller with the states, actions and parameters of all agents, stacked in their order.

        Raises:
            SettingError: there is no centralised twin with these settings.
        """
