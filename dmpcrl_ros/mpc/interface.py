# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Interface of the problem of an agent towards ADMM and evaluation."""

from typing import Protocol, TypeVar

import numpy as np

from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.mpc.parametric_mpc import Sensitivities


class Solution(Protocol):
    """A solution of the problem."""

    @property
    def kkt_residual(self) -> float:
        """Largest violation of its optimality conditions."""


SolutionT = TypeVar('SolutionT', bound=Solution)


class LocalUpdates(Protocol[SolutionT]):
    """An evaluation by one `solve` for each iteration of ADMM, then `solution`. Either may raise QpFailure."""

    def solve(self, linear: np.ndarray) -> np.ndarray:
        """Consensus variables `argmin F(x) + linear'x + rho/2 |x|^2`; empty without neighbours."""

    def solution(self) -> SolutionT:
        """Solution of the last solve."""

    def value(self, solution: SolutionT) -> float:
        """Objective with its penalties, without the terms of ADMM."""


class Mpc(LocalUpdates[SolutionT], Protocol[SolutionT]):
    """A problem that is evaluated by `begin`, which may raise QpFailure, and then as LocalUpdates are."""

    layout: ParameterLayout

    @property
    def theta(self) -> np.ndarray:
        """Parameters (p,); assign a new vector to change them."""

    @theta.setter
    def theta(self, theta: np.ndarray) -> None: ...

    def begin(
        self, state: np.ndarray, action: np.ndarray | None = None, *, exogenous: np.ndarray | None = None
    ) -> None:
        """Start an evaluation.

        Args:
            state: (n_x,).
            action: first input (n_u,), held; None leaves it free.
            exogenous: exogenous input of the step (n_d,); None for zeros.
        """

    def inputs(self, solution: SolutionT) -> np.ndarray:
        """Planned inputs (N, n_u)."""


class LearnableMpc(Mpc[SolutionT], Protocol[SolutionT]):
    """A problem whose parameters can be learned, and whose objective can be perturbed to explore."""

    def begin(
        self,
        state: np.ndarray,
        action: np.ndarray | None = None,
        perturbation: np.ndarray | None = None,
        *,
        exogenous: np.ndarray | None = None,
    ) -> None:
        """Start an evaluation with q'u(0) added to the objective for a perturbation q (n_u,)."""

    def sensitivities(self, solution: SolutionT, second_order: bool = False) -> Sensitivities:
        """Derivatives in theta of the Lagrangian at this solution."""
