# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Settings of multi-agent Q-learning."""

from dataclasses import dataclass

from dmpcrl_ros.core.settings import group, setting
from dmpcrl_ros.methods.mpc_settings import CoordinationSettings

AS_RELEASED, ROBUST = 'second-as-released', 'robust'


@dataclass(frozen=True, kw_only=True)
class LearningSettings:
    """Settings of learning."""

    order: str = setting(
        ROBUST,
        'order of the update; first is that of mallick2024, second that of mallick2025, robust is of second order '
        'with a prior of the parameters, robust weights of the TD errors, and rate, replay and exploration of its own '
        'in place of those of the system; second-as-released has the weights of the released program of mallick2025, '
        'for comparison only',
        choices=('first', 'second', ROBUST, AS_RELEASED),
    )
    rate: float | None = setting(
        None,
        'learning rate alpha; higher learns faster and may diverge; auto takes the published value, with robust its '
        'own',
        kind=float,
        absent='auto',
        minimum=1e-15,
        maximum=1.0,
    )
    exploration: bool = setting(
        True, 'perturb the objectives at random; without it the parameters drift in directions that are not excited'
    )
    curvature: str = setting(
        'absolute',
        'treatment of negative curvature; in updates of second order absolute reverses it, refuse does not learn '
        'from such a batch, and keep uses it as published, with steps that may go uphill',
        choices=('absolute', 'refuse', 'keep'),
    )
    step_limit: float | None = setting(
        0.05,
        'largest relative change of a parameter in one update; of second order only; relative to max(1, |theta|), '
        'with robust to max(size, |theta|); a longer step is shortened for the whole network; none sets no limit, as '
        'published',
        kind=float,
        absent='none',
        minimum=1e-9,
        maximum=1e6,
    )
    guard: bool = setting(
        True,
        'hold learning where it does harm; all agents then go back to their last good parameters, and the faults of '
        'the steps give the reason; the papers have no guard',
    )
    bound_parameters: bool = setting(
        True, 'keep the MPC convex and its penalties positive; the papers set no bounds to theta'
    )


@dataclass(frozen=True, kw_only=True)
class QLearningSettings(CoordinationSettings):
    """Settings of the method."""

    learning: LearningSettings = group(LearningSettings)
