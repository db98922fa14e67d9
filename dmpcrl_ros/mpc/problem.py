# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Parametrised problems in CasADi.

The contribution of an agent becomes its local problem. Those of all agents, with copies identified with their
originals, become the problem of the whole network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import casadi as ca
import numpy as np

from dmpcrl_ros.mpc.parameter_map import ParameterMap, StackedMap


@dataclass(frozen=True, kw_only=True)
class ParametricProblem:
    """A convex quadratic programme with soft bounds as CasADi expressions in its variables v and parameters phi.

    It is::

        minimise objective(v; phi, d) + penalty^T sigma  s.t.  residual(v; phi, d) = 0,
        hard_lower <= v <= hard_upper,  soft_lower - sigma <= v[soft] <= soft_upper + sigma,  sigma >= 0

    A variable in `state` or `action` can be fixed. The controller gets the exogenous input d in each step besides the
    state, such as a load or a set point. It may change the linear and the constant terms of objective and residual. The
    learned parameters are theta: phi is their image under `parameter_map`, or theta itself without a map.

    Args:
        variables: v (n,).
        parameters: phi (m,).
        exogenous: d (n_d,).
        parameter_map: from theta to phi; None where they are the same.
        objective: without penalties.
        residual: of the equality constraints.
        soft_lower: (r,).
        soft_upper: (r,).
        penalty: (r,).
        soft: index in v of each soft row (r,).
        state: indices in v of x(0).
        action: indices in v of u(0).
        inputs: indices in v of u, (N, n_u).
        trajectory: indices in v of x, (N+1, n_x).
        hard_lower: (n,).
        hard_upper: (n,).
    """

    variables: ca.SX
    parameters: ca.SX
    exogenous: ca.SX
    parameter_map: ParameterMap | None
    objective: ca.SX
    residual: ca.SX
    soft_lower: ca.SX
    soft_upper: ca.SX
    penalty: ca.SX
    soft: np.ndarray
    state: np.ndarray
    action: np.ndarray
    inputs: np.ndarray
    trajectory: np.ndarray
    hard_lower: np.ndarray
    hard_upper: np.ndarray


@dataclass(frozen=True, kw_only=True)
class AgentVariables:
    """Variables of the terms of one agent.

    Args:
        x: (n_x, N+1).
        u: (n_u, N).
        parents: x_j (n_xj, N+1) of each parent j.
    """

    x: ca.SX
    u: ca.SX
    parents: Mapping[int, ca.SX]


@dataclass(frozen=True, kw_only=True)
class AgentTerms:
    """Contribution of one agent to a problem.

    Args:
        parameters: phi_i.
        exogenous: exogenous input of the agent; empty if there is none.
        parameter_map: from theta_i to phi_i; None where they are the same.
        n_theta: number of elements of theta_i; ignored without a map.
        objective: without the penalties of soft rows.
        residual: of the equality constraints.
        soft: stage and state of each soft row, (r, 2).
        soft_lower: (r,).
        soft_upper: (r,).
        penalty: (r,), of their violation.
        input_lower: hard bound of u(k) (n_u,), the same for all k.
        input_upper: hard bound of u(k) (n_u,), the same for all k.
    """

    parameters: ca.SX
    objective: ca.SX
    residual: ca.SX
    soft: np.ndarray
    soft_lower: ca.SX
    soft_upper: ca.SX
    penalty: ca.SX
    input_lower: np.ndarray
    input_upper: np.ndarray
    exogenous: ca.SX = field(default_factory=lambda: ca.SX(0, 1))
    parameter_map: ParameterMap | None = None
    n_theta: int = 0


class AgentFormulation(Protocol):
    """Problem of one agent: its dimensions, those of its parents' states, and its terms."""

    @property
    def n_states(self) -> int:
        """n_x."""

    @property
    def n_inputs(self) -> int:
        """n_u."""

    @property
    def parent_states(self) -> Mapping[int, int]:
        """n_xj of each parent j."""

    def terms(self, variables: AgentVariables) -> AgentTerms:
        """Contribution of the agent in these variables."""


def column(parts: Sequence[ca.SX | float]) -> ca.SX:
    """Column of all parts; an empty column without parts."""
    return ca.vertcat(ca.SX(0, 1), *parts)


def join_local(agent: AgentFormulation, horizon: int) -> ParametricProblem:
    """Problem of one agent; v = [x; x_j of each parent in ascending order; u], each trajectory stage by stage."""
    x, u = ca.SX.sym('x', agent.n_states, horizon + 1), ca.SX.sym('u', agent.n_inputs, horizon)
    copies = {j: ca.SX.sym(f'x_{j}', n, horizon + 1) for j, n in sorted(agent.parent_states.items())}
    terms = agent.terms(AgentVariables(x=x, u=u, parents=copies))
    return _assemble([terms], [x, *copies.values()], [u])


def join_central(agents: Sequence[AgentFormulation], horizon: int) -> ParametricProblem:
    """Problem of the whole network with phi = [phi_1; ...; phi_M].

    It has the local terms with every copy identified with its original; v = [x_1; ...; x_M; u_1; ...; u_M].
    """
    xs = [ca.SX.sym(f'x_{i}', agent.n_states, horizon + 1) for i, agent in enumerate(agents)]
    us = [ca.SX.sym(f'u_{i}', agent.n_inputs, horizon) for i, agent in enumerate(agents)]
    terms = [
        agent.terms(AgentVariables(x=xs[i], u=us[i], parents={j: xs[j] for j in sorted(agent.parent_states)}))
        for i, agent in enumerate(agents)
    ]
    return _assemble(terms, xs, us)


def _assemble(terms: Sequence[AgentTerms], trajectories: list[ca.SX], inputs: list[ca.SX]) -> ParametricProblem:
    """Join terms of one or all agents over v = [trajectories; inputs], own trajectories first, then copies."""
    blocks = (*trajectories, *inputs)
    start = np.cumsum([0] + [block.numel() for block in blocks])
    grids = [np.arange(a, b).reshape(-1, block.shape[0]) for a, b, block in zip(start, start[1:], blocks, strict=False)]
    own, controls = grids[: len(terms)], grids[len(trajectories) :]
    lower, upper = np.full(start[-1], -np.inf), np.full(start[-1], np.inf)
    for agent, index in zip(terms, controls, strict=True):
        lower[index], upper[index] = agent.input_lower, agent.input_upper
    return ParametricProblem(
        variables=ca.vertcat(*(ca.vec(block) for block in blocks)),
        parameters=ca.vertcat(*(agent.parameters for agent in terms)),
        exogenous=column([agent.exogenous for agent in terms]),
        parameter_map=_joint_map(terms),
        objective=sum((agent.objective for agent in terms), start=ca.SX(0)),
        residual=ca.vertcat(*(agent.residual for agent in terms)),
        soft_lower=ca.vertcat(*(agent.soft_lower for agent in terms)),
        soft_upper=ca.vertcat(*(agent.soft_upper for agent in terms)),
        penalty=ca.vertcat(*(agent.penalty for agent in terms)),
        soft=np.concatenate([x[tuple(agent.soft.T)] for agent, x in zip(terms, own, strict=True)]),
        state=np.concatenate([x[0] for x in own]),
        action=np.concatenate([u[0] for u in controls]),
        inputs=np.hstack(controls),
        trajectory=np.hstack(own),
        hard_lower=lower,
        hard_upper=upper,
    )


def _joint_map(terms: Sequence[AgentTerms]) -> ParameterMap | None:
    """Map of all agents: either all of them have one, or none."""
    maps = [agent.parameter_map for agent in terms if agent.parameter_map]
    if not maps:
        return None
    return maps[0] if len(maps) == 1 else StackedMap(maps, [agent.n_theta for agent in terms])
