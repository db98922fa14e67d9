# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""How many answers are certified from cold, at states far beyond their bounds, and how exact they are.

.venv/bin/python bench/hard_states.py number-of-states [network files or numbers of agents in a chain]
"""

import sys

import numpy as np
from rich.console import Console
from rich.table import Table
from rounds import SHARE, SYSTEMS, Task, Whole, answer_of, errors_of, local_controllers, named

from dmpcrl_ros.core.spanning_tree import SpanningTree
from dmpcrl_ros.mpc.coordination import CoordinationOptions
from dmpcrl_ros.mpc.local_evaluation import LocalEvaluation
from dmpcrl_ros.mpc.solver import QpFailure
from dmpcrl_ros.mpc.tree_coordination import TREE_METHODS, TreeCoordination
from dmpcrl_ros.simulation.lockstep import run_lockstep
from dmpcrl_ros.systems.mpc_system import MpcSystem
from dmpcrl_ros.testing.hard_states import coupled_thetas, hard_states

_SEED = 7


def certified(system: MpcSystem, method: type[LocalEvaluation], count: int) -> list[str]:
    """Share of the states with a certified answer, rounds that it took, and largest errors of these answers."""
    tree, whole, thetas = SpanningTree(system.graph), Whole(system), coupled_thetas(system)
    structures, mpcs = local_controllers(system, tree, thetas)
    options = CoordinationOptions()
    exogenous, rounds, errors = system.plant(0).observe()[1], [], []
    for states in hard_states(system, count, _SEED):
        asked = zip(structures, mpcs, states, exogenous, strict=True)
        outcomes, _ = run_lockstep(
            [
                TreeCoordination(method, i, tree, structure, options).run({'V': mpc.request(state, None, load)})
                for i, (structure, mpc, state, load) in enumerate(asked)
            ]
        )
        if outcomes[0].certified:
            rounds.append(outcomes[0].rounds)
            exact = Task(thetas, states, None, exogenous, whole.evaluate(thetas, states, None, exogenous))
            answers = [each.answers['V'] for each in outcomes]
            value = max((each.value for each in answers), key=lambda told, exact=exact: abs(told - exact.exact[1]))
            errors.append(errors_of(answer_of(mpcs, [each.solution for each in answers], value), exact))
    if not rounds:
        return [f'0 of {count}', '-', '-', '-', '-']
    worst = [f'{error:.0e}' for error in np.max(errors, axis=0)]
    return [f'{len(rounds)} of {count}', f'{np.median(rounds):.0f} / {np.quantile(rounds, SHARE):.0f}', *worst]


def show(console: Console, names: list[str], count: int) -> None:
    """Print the table."""
    table = Table('network', 'method', 'certified', 'rounds: median / 95 %', 'inputs', 'value', 'gradient')
    for name, make in (SYSTEMS | named(names)).items():
        for title, method in TREE_METHODS.items():
            try:
                table.add_row(name, title, *certified(make(), method, count))
            except (QpFailure, ValueError) as failure:
                table.add_row(name, title, str(failure))
    console.print('Cold hard states, and the largest errors of the certified answers:')
    console.print(table)


if __name__ == '__main__':
    if not sys.argv[1:]:
        sys.exit(__doc__)
    show(Console(width=120), sys.argv[2:], int(sys.argv[1]))
