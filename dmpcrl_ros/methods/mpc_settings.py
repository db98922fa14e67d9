# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Settings that the methods of distributed MPC share, and the objects made of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dmpcrl_ros.core.averaging import AveragingSchedule, finite_time, fixed_weights, metropolis_weights
from dmpcrl_ros.core.graph import CouplingGraph
from dmpcrl_ros.core.settings import Setting, SettingError, flat, group, setting, table
from dmpcrl_ros.mpc.admm import AdmmOptions
from dmpcrl_ros.mpc.coordination import CoordinationOptions
from dmpcrl_ros.mpc.packed_admm import PackedAdmm
from dmpcrl_ros.mpc.reactions import ReactingEvaluation
from dmpcrl_ros.mpc.tree_coordination import TREE_METHODS
from dmpcrl_ros.systems.learning_defaults import LearningDefaults

ADMM_METHODS = ('admm', PackedAdmm.kind)


@dataclass(frozen=True, kw_only=True)
class AdmmSettings:
    """Settings of ADMM, by which neighbours agree on their predictions."""

    iterations: int | None = setting(
        None,
        'number of ADMM iterations per evaluation; with a tolerance the largest number; more of them are more '
        'exact and slower, and each costs two message rounds; auto takes the published number',
        kind=int,
        absent='auto',
        minimum=1,
        maximum=10000,
    )
    rho: float | None = setting(
        None,
        'penalty parameter of ADMM; decides the speed of convergence; auto takes the published value, for '
        'scenario_mpc a multiple of it',
        kind=float,
        absent='auto',
        minimum=1e-9,
        maximum=1e6,
    )
    tolerance: float | None = setting(
        None,
        'stop when all residuals of all agents are at most this; none runs all iterations of ADMM, as published',
        kind=float,
        absent='none',
        minimum=1e-15,
        maximum=1.0,
    )
    warm_start: bool = setting(
        True,
        'start from the result of the former evaluation; ADMM of the released programs does so, and it is more exact '
        'for the same number of iterations; otherwise start at zero, as in Algorithm 1 of mallick2024',
    )

    def options(self, defaults: LearningDefaults, stiffness: float = 1.0) -> AdmmOptions:
        """Options of ADMM for a system with these published constants; `stiffness` multiplies the published rho."""
        return AdmmOptions(
            rho=stiffness * defaults.rho if self.rho is None else self.rho,
            iterations=self.iterations or defaults.admm_iterations,
            tolerance=self.tolerance or 0.0,
            warm_start=self.warm_start,
        )


@dataclass(frozen=True, kw_only=True)
class ConsensusSettings:
    """Settings of average consensus, by which agents agree on sums over the network."""

    averaging: str = setting(
        'finite-time',
        'weights of the average consensus; finite-time is exact in as few rounds as the graph allows, fixed '
        'has the weights of mallick2024, metropolis needs only the degrees of the neighbours',
        choices=('finite-time', 'fixed', 'metropolis'),
    )
    rounds: int = setting(
        100, 'rounds per average with fixed or metropolis weights; more are more exact', minimum=1, maximum=100000
    )

    def schedule(self, graph: CouplingGraph) -> AveragingSchedule:
        """Weights of average consensus on a graph."""
        if self.averaging == 'finite-time':
            return finite_time(graph)
        return {'fixed': fixed_weights, 'metropolis': metropolis_weights}[self.averaging](graph, self.rounds)


@dataclass(frozen=True, kw_only=True)
class MpcSettings:
    """Settings of every method of distributed MPC."""

    admm: AdmmSettings = group(AdmmSettings)
    consensus: ConsensusSettings = group(ConsensusSettings)
    fallback_steps: int = setting(
        10,
        'steps on the last plan, for an agent without a decision; after them, or where the plan ends, it takes its '
        'safe input',
        minimum=0,
        maximum=1000,
    )


@dataclass(frozen=True, kw_only=True)
class StoppingSettings:
    """Settings of the stop that all agents of packed coordination agree on."""

    tolerance: float = setting(
        CoordinationOptions.tolerance,
        'largest change of any trajectory or multiplier between two rounds, relative to one plus its size; at or '
        'below it the evaluations of a step by reactions or prices are certified',
        minimum=1e-14,
        maximum=1.0,
    )
    rounds: int | None = setting(
        None,
        'largest number of message rounds of a step; after it a step by reactions or prices is void; auto is 18 times '
        'the diameter of the tree plus 104',
        kind=int,
        absent='auto',
        minimum=1,
        maximum=10000,
    )

    early: bool = setting(
        False,
        'act one round after the news of each agent has reached all, before the answer is certified, for real time; '
        'by reactions or prices only; the action is then close to the best one, and Q of the action applied is '
        'evaluated in the next step',
    )

    def options(self) -> CoordinationOptions:
        """Options of coordination."""
        return CoordinationOptions(tolerance=self.tolerance, rounds=self.rounds or 0, early=self.early)


@dataclass(frozen=True, kw_only=True)
class CoordinationSettings(MpcSettings):
    """Settings of methods whose agents can be coordinated in several ways."""

    coordination: str = setting(
        ReactingEvaluation.kind,
        'how neighbours agree on their predictions; reactions is exact within few rounds, which all evaluations of '
        'a step share; prices has shorter messages than reactions and needs weak coupling; admm is the published '
        'one, with two message rounds for each iteration; packed-admm is ADMM with all evaluations of a step in the '
        'same rounds',
        choices=(*TREE_METHODS, *ADMM_METHODS),
    )
    stopping: StoppingSettings = group(StoppingSettings)

    def __post_init__(self) -> None:
        """Refuse settings of another coordination, which would have no effect."""
        values = dict(flat(self))
        for entry in self.without_effect(values):
            if values[entry.name] != entry.default:
                needed = ' or '.join(TREE_METHODS if self.coordination in ADMM_METHODS else ADMM_METHODS)
                raise SettingError(
                    f'{entry.name} has no effect with the coordination {self.coordination}: choose the coordination '
                    f'{needed}, or leave it out'
                )

    @classmethod
    def without_effect(cls, values: Mapping[str, Any]) -> list[Setting]:
        """Settings of a coordination other than that of the values, by their names."""
        coordination = values.get('coordination', cls.coordination)
        group_of_others = 'stopping.' if coordination in ADMM_METHODS else 'admm.'
        return [each for each in table(cls) if each.name.startswith(group_of_others)]


@dataclass(frozen=True, kw_only=True)
class BaselineSettings(MpcSettings):
    """Settings of MPC that does not learn."""

    model: str = setting(
        'inexact',
        'model of the controllers; inexact is the first model of the system and how uncertain it is, exact '
        'the true dynamics',
        choices=('inexact', 'exact'),
    )
