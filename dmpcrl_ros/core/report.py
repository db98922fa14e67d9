"""What an agent tells of itself: how a control step went, and what it has learned."""

from dataclasses import dataclass

import numpy as np

from dmpcrl_ros.methods.q_learning.replay import Transition


@dataclass(frozen=True)
class StepReport:
    """How one control step went at one agent; the fields are those of Status.msg."""

    value: float = 0.0
    td_error: float = 0.0
    cost: float = 0.0
    evaluated: bool = False
    explored: bool = False
    updates: int = 0
    curvature_reversed: int = 0
    step_scale: float = 1.0
    parameters_held: int = 0
    admm_iterations: int = 0
    primal_residual: float = 0.0
    dual_residual: float = 0.0
    kkt_residual: float = 0.0
    fault: str = ''


@dataclass(frozen=True)
class Learned:
    """What an agent would lose with its process: theta (p,), how many updates made it, and what is being replayed."""

    theta: np.ndarray
    updates: int
    transitions: tuple[Transition, ...] = ()
