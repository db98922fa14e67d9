# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Message rounds until the evaluations of a network are exact, by coordination method.

Each sequence alternates V(s) and Q(s, a) of an action near the best one, while the parameters move and the plant
follows the exact inputs. The methods start where they ended before. The reference is the problem of the whole network,
solved at once.

    .venv/bin/python bench/rounds.py [network files or numbers of agents in a chain]
"""

import copy
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from dmpcrl_ros.core.spanning_tree import SpanningTree
from dmpcrl_ros.methods.mpc_build import consensus_of, local_parts, local_structure
from dmpcrl_ros.mpc.admm import AdmmOptions
from dmpcrl_ros.mpc.condensed import LocalStructure
from dmpcrl_ros.mpc.coordination import CoordinationOptions
from dmpcrl_ros.mpc.evaluation import evaluate
from dmpcrl_ros.mpc.local_evaluation import LocalEvaluation
from dmpcrl_ros.mpc.parametric_mpc import ParametricMpc
from dmpcrl_ros.mpc.solver import QpFailure
from dmpcrl_ros.mpc.tree_coordination import TREE_METHODS, TreeCoordination
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.lockstep import run_lockstep
from dmpcrl_ros.systems.files import load_system
from dmpcrl_ros.systems.mpc_system import MpcSystem
from dmpcrl_ros.testing.hard_states import coupled_thetas

ACCURACIES = (1e-3, 1e-5, 1e-8)
SHARE = 0.95  # of the evaluations that must be as accurate
TREE_ROUNDS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16)
ADMM_ITERATIONS = (5, 10, 25, 50, 100)


@dataclass
class Task:
    """One evaluation, and its exact first inputs, value and gradient."""

    thetas: list[np.ndarray]
    states: list[np.ndarray]
    actions: list[np.ndarray] | None
    exogenous: list[np.ndarray]
    exact: tuple[np.ndarray, float, np.ndarray]


class Whole:
    """The problem of the whole network as that of one agent: exact in no round."""

    def __init__(self, system: MpcSystem):
        twin = Settings(learn=False).make_central_agent(system)
        self._mpc, self._method = twin.mpc, twin.coordination

    def evaluate(self, thetas, states, actions, exogenous) -> tuple[np.ndarray, float, np.ndarray]:
        mpc = self._mpc
        mpc.theta = np.concatenate(thetas)
        action = None if actions is None else np.concatenate(actions)
        request = mpc.request(np.concatenate(states), action, np.concatenate(exogenous))
        ((outcome,), _) = run_lockstep([self._method.run({'V': request})])
        solution, value, failure = outcome.answers['V']
        if failure:
            raise QpFailure(failure)
        return mpc.action(solution), value, mpc.sensitivities(solution).gradient.copy()


def sequence(system: MpcSystem, steps: int, seed: int) -> Iterator[Task]:
    """V and Q along a closed loop whose parameters move by about 0.3 % every second step."""
    draw, whole, plant = np.random.default_rng(seed), Whole(system), system.plant(seed)
    thetas = coupled_thetas(system)
    bounds = [system.parameter_bounds(i) for i in range(system.n_agents)]
    lower, upper = system.stacked('input_lower'), system.stacked('input_upper')
    for step in range(steps):
        states, exogenous = plant.observe()
        exact = whole.evaluate(thetas, states, None, exogenous)
        yield Task(thetas, states, None, exogenous, exact)
        if step % 2:
            thetas = [
                np.clip(theta + 3e-3 * (0.1 + np.abs(theta)) * draw.standard_normal(theta.size), *bound)
                for theta, bound in zip(thetas, bounds, strict=True)
            ]
        action = np.clip(exact[0] + 0.05 * draw.standard_normal(len(lower)), lower, upper)
        actions = [action[part] for part in system.input_parts]
        yield Task(thetas, states, actions, exogenous, whole.evaluate(thetas, states, actions, exogenous))
        plant.step(actions)


def local_controllers(
    system: MpcSystem, tree: SpanningTree, thetas: list[np.ndarray]
) -> tuple[list[LocalStructure], list[ParametricMpc]]:
    """Structures and problems of all agents."""
    structures = [local_structure(system, i, tree) for i in range(system.n_agents)]
    mpcs = [
        ParametricMpc(system.local_problem(i), system.parameters(i)[0], theta, structure=structure)
        for i, (structure, theta) in enumerate(zip(structures, thetas, strict=True))
    ]
    return structures, mpcs


class ByTree:
    """Errors of the agents after each number of rounds, with models of the neighbours kept from task to task."""

    counts = TREE_ROUNDS

    def __init__(self, system: MpcSystem, method: type[LocalEvaluation]):
        self._kind = method
        self._tree = SpanningTree(system.graph)
        self._structures, self.mpcs = local_controllers(system, self._tree, coupled_thetas(system))
        self._methods = [self._method(i, 0) for i in range(system.n_agents)]

    def _method(self, index: int, rounds: int) -> TreeCoordination:
        options = CoordinationOptions(tolerance=0.0 if rounds else 1e-12, rounds=rounds)
        return TreeCoordination(self._kind, index, self._tree, self._structures[index], options)

    def answers(self, task: Task) -> Iterator[tuple[np.ndarray, float, np.ndarray]]:
        """First inputs, value and gradient after each number of rounds."""
        name = 'V' if task.actions is None else 'Q'
        given = task.actions or [None] * len(self.mpcs)
        for mpc, theta in zip(self.mpcs, task.thetas, strict=True):
            mpc.theta = theta
        asked = zip(self.mpcs, task.states, given, task.exogenous, strict=True)
        requests = [mpc.request(state, action, exogenous) for mpc, state, action, exogenous in asked]
        for rounds in (*self.counts, 0):
            methods = [self._method(i, rounds) for i in range(len(self.mpcs))] if rounds else self._methods
            if rounds:  # from the reactions that the former task has left
                for method, kept in zip(methods, self._methods, strict=True):
                    for known, evaluation in kept._evaluations.items():
                        method._evaluation(known).models = copy.deepcopy(evaluation.models)
            outcomes, _ = run_lockstep(
                [method.run({name: request}) for method, request in zip(methods, requests, strict=True)]
            )
            if rounds:
                yield answer_of(
                    self.mpcs, [each.answers[name].solution for each in outcomes], outcomes[0].answers[name].value
                )


class ByAdmm:
    """The same for ADMM, which takes two rounds for each iteration."""

    counts = tuple(2 * iterations for iterations in ADMM_ITERATIONS)

    def __init__(self, system: MpcSystem):
        settings = Settings(coordination='admm').of_method
        options = [
            AdmmOptions(rho=system.defaults.rho, iterations=iterations, warm_start=True)
            for iterations in ADMM_ITERATIONS
        ]
        self._parts = [
            [
                local_parts(system, i, system.parameters(i)[1], option, consensus_of(system, i, settings))
                for i in range(system.n_agents)
            ]
            for option in options
        ]

    def answers(self, task: Task) -> Iterator[tuple[np.ndarray, float, np.ndarray]]:
        """First inputs, value and gradient after each number of rounds."""
        given = task.actions or [None] * len(task.states)
        for parts in self._parts:
            for (mpc, _), theta in zip(parts, task.thetas, strict=True):
                mpc.theta = theta
            found, _ = run_lockstep(
                [
                    evaluate(mpc, admm, state, action, exogenous)
                    for (mpc, admm), state, action, exogenous in zip(
                        parts, task.states, given, task.exogenous, strict=True
                    )
                ]
            )
            mpcs = [mpc for mpc, _ in parts]
            yield answer_of(mpcs, [each.solution for each in found], sum(each.value for each in found))


def answer_of(mpcs, solutions, value: float) -> tuple[np.ndarray, float, np.ndarray]:
    pairs = list(zip(mpcs, solutions, strict=True))
    if any(solution is None for _, solution in pairs):
        return np.full(1, np.inf), np.inf, np.full(1, np.inf)
    action = np.concatenate([mpc.action(solution) for mpc, solution in pairs])
    return action, value, np.concatenate([mpc.sensitivities(solution).gradient for mpc, solution in pairs])


def errors_of(found: tuple[np.ndarray, float, np.ndarray], task: Task) -> list[float]:
    """Errors of the first inputs, absolute, and of value and gradient, relative."""
    u, value, gradient = task.exact
    if not np.isfinite(found[1]):
        return [np.inf] * 3
    return [
        float(np.abs(found[0] - u).max()),
        abs(found[1] - value) / max(1.0, abs(value)),
        float(np.linalg.norm(found[2] - gradient) / max(1e-3, np.linalg.norm(gradient))),
    ]


def rounds_needed(system: MpcSystem, found: ByTree | ByAdmm, steps: int, seed: int = 3) -> list[str]:
    """Rounds to each accuracy, of inputs, value and gradient: 'a/b/c' each; '-' where none was enough."""
    tasks = list(sequence(system, steps, seed))
    errors = np.array([[errors_of(answer, task) for answer in found.answers(task)] for task in tasks[2:]])
    worst = np.quantile(errors, SHARE, axis=0)  # (counts, 3)
    return [
        '/'.join(
            next((str(count) for count, error in zip(found.counts, column, strict=True) if error <= accuracy), '-')
            for accuracy in ACCURACIES
        )
        for column in worst.T
    ]


SYSTEMS = {
    'mallick2024': lambda: Settings().make_system(),
    'mallick2025': lambda: Settings(chain__variant='mallick2025').make_system(),
    'power grid': lambda: Settings(system='power_grid').make_system(),
    'three carts': lambda: load_system('config/three_carts.yaml'),
    'grid on a ring': lambda: load_system('config/ring_grid.yaml'),
}


def named(names: list[str]) -> dict[str, Callable[[], MpcSystem]]:
    """Systems by the paths of their files, or by the number of agents in a chain."""
    return {f'chain of {name}' if name.isdigit() else Path(name).stem: partial(_made, name) for name in names}


def _made(name: str) -> MpcSystem:
    return Settings(chain__agents=int(name)).make_system() if name.isdigit() else load_system(name)


def show(console: Console, names: list[str], steps: int = 20) -> None:
    """Print the table."""
    table = Table('network', 'method', 'inputs', 'value', 'gradient')
    for name, make in (SYSTEMS | named(names)).items():
        methods = {kind: partial(ByTree, method=method) for kind, method in TREE_METHODS.items()}
        for title, method in (methods | {'ADMM as published': ByAdmm}).items():
            system = make()
            try:
                table.add_row(name, title, *rounds_needed(system, method(system), steps))
            except (QpFailure, ValueError) as failure:
                table.add_row(name, title, str(failure))
    goals = '/'.join(f'{accuracy:.0e}' for accuracy in ACCURACIES)
    console.print(f'Message rounds until {SHARE:.0%} of the evaluations are within {goals}:')
    console.print(table)


if __name__ == '__main__':
    show(Console(), sys.argv[1:])
