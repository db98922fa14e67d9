# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Only messages of the method go over the network: the kinds and sizes of all messages of a step."""

import numpy as np
import pytest
from helpers import directed_network

from dmpcrl_ros.core.exchange import Act
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.simulation.lockstep import step_in_lockstep
from dmpcrl_ros.systems.linear.chain import chain
from dmpcrl_ros.systems.power_grid.four_areas import power_grid

BATCH = 15  # transitions of a second-order update of the chain


def told(system, settings, steps):
    """List (kind, sender, receiver, shape) of every message of a run."""
    found = set()

    def watched(program, agent):
        request = next(program)
        try:
            while True:
                if isinstance(request, Act):
                    inbox = yield request
                else:
                    found.update(
                        (request.kind, agent, receiver, np.shape(data)) for receiver, data in request.outbox.items()
                    )
                    inbox = yield request
                request = program.send(inbox)
        except StopIteration as end:
            return end.value

    loop = ClosedLoop(
        system,
        settings,
        drive=lambda programs: step_in_lockstep([watched(program, agent) for agent, program in enumerate(programs)]),
    )
    list(loop.run(steps))
    return found


@pytest.mark.parametrize(
    ('system', 'settings', 'consensus'),
    [
        (chain(3), {}, {5}),
        (directed_network(), {}, {5}),
        (power_grid(), {'system': 'power_grid'}, {5}),
        (
            chain(3, 'mallick2025'),
            {'chain__variant': 'mallick2025', 'learning__order': 'second'},
            {5} | {count * (count + 1) // 2 for count in range(1, BATCH + 1)},
        ),
    ],
    ids=['first order', 'directed', 'power grid', 'second order'],
)
def test_neighbours_are_told_trajectories_sums_and_maxima_alone(system, settings, consensus):
    """ADMM: an agent sends its copy of a parent's trajectory to the parent, and the average of its own trajectory to
    those that hold copies (paper 001, Algorithm 1). Consensus: mixed sums of V, Q, stage cost and two counts, and in
    second order the upper triangle of C (paper 000). Maxima: flags. Neither theta, nor inputs, nor gradients."""
    found = told(
        system, Settings(**{'coordination': 'admm', 'admm__iterations': 3, 'learning__order': 'first'} | settings), 12
    )
    shapes = {i: (system.structure.horizon + 1, data.n_states) for i, data in enumerate(system.local)}
    for kind, sender, receiver, shape in found:
        assert receiver in system.graph.neighbours[sender]
        if kind == 'copies':
            assert receiver in system.graph.parents[sender] and shape == shapes[receiver]
        elif kind == 'averages':
            assert receiver in system.graph.holders[sender] and shape == shapes[sender]
        elif kind == 'consensus':
            assert shape[0] in consensus
        else:
            assert kind == 'maximum' and shape[0] <= BATCH
    assert {kind for kind, *_ in found} == {'copies', 'averages', 'consensus', 'maximum'}
