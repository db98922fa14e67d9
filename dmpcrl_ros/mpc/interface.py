# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The problem of an agent as ADMM and evaluation see it: its own or the whole network's, with one model or many."""

from typing import Protocol

import numpy as np

from dmpcrl_ros.core.parameters import ParameterLayout


class Solution(Protocol):
    """A solution of the problem; `kkt_residual` is the largest violation of its optimality conditions."""

    kkt_residual: float


class Mpc(Protocol):
    """A problem that is evaluated by `begin`, then `solve` as often as ADMM asks, then `solution`.

    Every one of these steps may raise QpFailure. A problem that learns has `sensitivities` besides.
    """

    layout: ParameterLayout
    theta: np.ndarray

    def begin(
        self, state: np.ndarray, action: np.ndarray | None = None, *, exogenous: np.ndarray | None = None
    ) -> None:
        """Start an evaluation at the state (n_x,), with the first input (n_u,) held at `action` if there is one, given
        what the agent is told of the step (n_d,)."""

    def solve(self, linear: np.ndarray) -> np.ndarray:
        """The variables to be agreed on: argmin F(x) + linear'x + rho/2 |x|^2; none of a problem without neighbours."""

    def solution(self) -> Solution:
        """Solution of the last solve."""

    def value(self, solution: Solution) -> float:
        """The objective with its penalties, without the terms of ADMM."""

    def inputs(self, solution: Solution) -> np.ndarray:
        """Planned inputs (N, n_u)."""
