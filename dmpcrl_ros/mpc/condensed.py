# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""An agent's quadratic programme with its own trajectory eliminated by its dynamics.

The variables are w = [S; u], with S = [own trajectory; shared entries of other trajectories] of `shared_entries`. The
dynamics and the fixed state make the own trajectory X an affine function of the rest::

    X = free + inputs u + others L,    L = the shared entries of other trajectories in S

For L the agent takes values (prices) or reactions of its neighbours: `eliminate` joins these to the dynamics.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dmpcrl_ros.mpc.edge_model import EdgeModel
from dmpcrl_ros.mpc.problem import ParametricProblem
from dmpcrl_ros.mpc.programme import QpData
from dmpcrl_ros.mpc.shared_entries import SharedEntries
from dmpcrl_ros.mpc.solver import NotConvex, QpFailure


class LocalStructure:
    """Places of an agent's variables in v of its problem and in w = [S; u].

    Args:
        problem: of the agent.
        shared: what it shares with its neighbours in the tree.
        copies: for each parent, the entries in v of the shared entries of its trajectory.

    Raises:
        ValueError: the variables do not begin with the own trajectory, or the equality constraints do not have a row
            for each entry of it after the first stage.
    """

    def __init__(self, problem: ParametricProblem, shared: SharedEntries, copies: Mapping[int, np.ndarray]):
        own, inputs = np.arange(shared.n_own), np.sort(problem.inputs, axis=None)
        if not np.array_equal(np.sort(problem.trajectory, axis=None), own):
            raise ValueError('the variables do not begin with the trajectory')
        if problem.residual.numel() != shared.n_own - len(problem.state):
            raise ValueError('the dynamics do not determine the trajectory')
        self.shared, self.state = shared, problem.state
        self.n_states, self.n_inputs = shared.size, len(inputs)
        self.in_v = np.concatenate([own, *copies.values(), inputs])
        self.in_w = np.concatenate([own, *(shared.blocks[j] for j in copies), self.n_states + np.arange(len(inputs))])
        self.action = np.searchsorted(inputs, problem.action)
        self.n_v = problem.variables.numel()

    @property
    def size(self) -> int:
        """Number of elements of w."""
        return self.n_states + self.n_inputs


class CondensedQp:
    """One QpData in w, with the dynamics solved for the own trajectory.

    Args:
        structure: places of the variables.
        data: the programme at one theta.

    Raises:
        QpFailure: the dynamics are singular, bounds cross, a weight of violation is negative, or the objective is not
            strictly convex in the inputs.
    """

    def __init__(self, structure: LocalStructure, data: QpData):
        if (data.soft_lower > data.soft_upper).any():
            raise QpFailure('a learned lower state bound lies above the upper one')
        if (data.penalty < 0.0).any():
            raise QpFailure('a learned weight of constraint violation is negative')
        s = self.structure = structure
        n_own, fixed = s.shared.n_own, len(s.state)
        self.hessian = np.zeros((s.size, s.size))
        self.hessian[np.ix_(s.in_w, s.in_w)] = data.hessian[np.ix_(s.in_v, s.in_v)]
        equality = np.zeros((len(data.equality), s.size))
        equality[:, s.in_w] = data.equality[:, s.in_v]
        fixing = np.zeros((fixed, n_own))
        fixing[np.arange(fixed), s.state] = 1.0
        try:
            self.inverse = np.linalg.inv(np.vstack([fixing, equality[:, :n_own]]))
        except np.linalg.LinAlgError:
            raise QpFailure('the dynamics do not determine the trajectory') from None
        self.others = -self.inverse[:, fixed:] @ equality[:, n_own : s.n_states]
        self.inputs = -self.inverse[:, fixed:] @ equality[:, s.n_states :]
        self.soft, self.penalty = data.soft, data.penalty
        self.soft_lower, self.soft_upper = data.soft_lower, data.soft_upper
        inputs = s.in_v[len(s.in_v) - s.n_inputs :]
        self.lower, self.upper = data.lower[inputs], data.upper[inputs]
        by_inputs = np.concatenate([self.inputs, np.zeros((s.n_states - n_own, s.n_inputs)), np.eye(s.n_inputs)])
        try:
            np.linalg.cholesky(by_inputs.T @ self.hessian @ by_inputs)
        except np.linalg.LinAlgError:
            raise NotConvex('the quadratic programme could not be set up (not convex)') from None


@dataclass(frozen=True)
class Eliminated:
    """w as an affine function of free inputs, reactions xi of neighbours, and parameters z: w = w0 + T y + Z z.

    Args:
        inverse: (I - B)^-1 on the entries of S that are not parameters.
        rest: these entries.
        directions: T (n_w, n_y) of y = [free inputs; xi of each neighbour].
        parameters: Z (n_w, n_z).
        hessian: in w (n_w, n_w), reactions included.
        reduced: T' hessian T plus the identity for xi, (n_y, n_y).
        held: mask of the inputs that are not free.
    """

    inverse: np.ndarray
    rest: np.ndarray
    directions: np.ndarray
    parameters: np.ndarray
    hessian: np.ndarray
    reduced: np.ndarray
    held: np.ndarray

    def offset(self, constants: np.ndarray) -> np.ndarray:
        """w0 (n_w,) for the constants of the relations between the entries of S (n_s,), with zero held inputs."""
        found = np.zeros(len(self.hessian))
        found[self.rest] = self.inverse @ constants[self.rest]
        return found


def eliminate(qp: CondensedQp, models: Mapping[int, EdgeModel], held: np.ndarray, parameters: np.ndarray) -> Eliminated:
    """Solve the dynamics and the relations of the neighbours' models for S.

    Args:
        qp: of the agent.
        models: of the neighbours in the tree whose reactions are used.
        held: mask of the inputs that are not free (n_u,).
        parameters: entries of S that stay parameters.

    Raises:
        QpFailure: the relations have no unique solution.
    """
    s, shared = qp.structure, qp.structure.shared
    n, n_own, free = s.n_states, shared.n_own, np.flatnonzero(~held)
    ends = np.cumsum([len(free), *(model.factor.shape[1] for model in models.values())])
    coupling, forcing, hessian = np.zeros((n, n)), np.zeros((n, int(ends[-1]))), qp.hessian.copy()
    coupling[:n_own, n_own:] = qp.others
    forcing[:n_own, : len(free)] = qp.inputs[:, free]
    for (j, model), begin, end in zip(models.items(), ends, ends[1:], strict=False):
        ours, theirs = shared.ours[j], shared.theirs[j]
        coupling[theirs[:, None], ours] = model.response
        forcing[theirs, begin:end] = model.factor
        hessian[ours[:, None], ours] += model.curvature
    is_rest = np.ones(n, dtype=bool)
    is_rest[parameters] = False
    rest = np.flatnonzero(is_rest)
    try:
        relations = np.eye(len(rest)) - coupling[rest[:, None], rest]
        inverse = np.linalg.inv(relations) if len(rest) > n_own else relations
    except np.linalg.LinAlgError:
        raise QpFailure('the relations between the agents have no unique solution') from None
    directions, by_parameters = np.zeros((s.size, int(ends[-1]))), np.zeros((s.size, len(parameters)))
    directions[rest] = inverse @ forcing[rest]
    directions[n + free, np.arange(len(free))] = 1.0
    by_parameters[rest] = inverse @ coupling[rest[:, None], parameters]
    by_parameters[parameters, np.arange(len(parameters))] = 1.0
    reduced = directions.T @ hessian @ directions
    reduced[np.arange(ends[0], ends[-1]), np.arange(ends[0], ends[-1])] += 1.0
    return Eliminated(inverse, rest, directions, by_parameters, hessian, 0.5 * (reduced + reduced.T), held)
