# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A ring that loses an agent or a link, in virtual time: the rest coordinates along another tree."""

import pytest
from faulty_run import Loop, Run, same
from helpers import ring

from dmpcrl_ros.core.spanning_tree import SpanningTree
from dmpcrl_ros.testing.fault_plan import Copy, Death, FaultPlan

DUE, BACK = 2, 14  # steps in which the loss begins and ends
# Step from which all work without it at the latest: missed in DUE or, if nobody needed it any more, in the next step;
# not heard before the two steps after that; used two steps later.
USED = DUE + 5
RING = ring(5)
LEARNING = Loop(RING, coordination='reactions', learning__exploration=False)
ACTING = Loop(RING, method='nominal_mpc', coordination='reactions')
LEAVE_OUT = {'leave_out_lost': True}


class CutLink(FaultPlan):
    """No message of two agents reaches the other one, from a round of the step DUE until the step BACK."""

    def __init__(self, edge, round):
        super().__init__()
        object.__setattr__(self, 'edge', set(edge))
        object.__setattr__(self, 'round', round)

    def copies(self, sender, receiver, step, round, kind, attempt=0):
        gone = (DUE, self.round) <= (step, round) and step < BACK
        return [] if gone and {sender, receiver} == self.edge else [Copy()]


def certified(found, step, agents=range(5)):
    return all(found.reports[step][i].metrics.get('certified') == 1.0 for i in agents)


@pytest.mark.parametrize('victim', range(5))
def test_without_a_lost_agent_the_others_certify_until_it_is_back_and_then_learn_again(victim):
    for number in range(0, 8, 2):
        found = Run(FaultPlan(deaths=(Death(victim, DUE, number, BACK),)), BACK + 8, LEARNING, timing=LEAVE_OUT)
        cut = {tuple(sorted((victim, j))) for j in RING.graph.neighbours[victim]}
        late = 4 * (len(SpanningTree(RING.graph).neighbours[victim]) < 2)  # an edge that only the next tree misses
        for step in range(USED + late, BACK):
            assert found.cuts[step] == [cut] * 5, (number, step)
            assert certified(found, step), (number, step)  # also the victim, alone
            assert not any(act.fallback for act in found.acts[step])
        for step in range(DUE + 1, BACK):
            assert not any(found.learned(step)) and not any(found.moved(step)), (number, step)
        for step in range(BACK + 3, BACK + 8):
            assert found.cuts[step] == [set()] * 5 and certified(found, step), (number, step)
        assert all(found.learned(BACK + 4)), number


@pytest.mark.parametrize('edge', [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)])
def test_without_a_link_all_agents_work_along_the_rest_of_the_ring(edge):
    """The answers are those of the whole ring: see test/mpc/test_cut_edges.py."""
    whole = Run(None, BACK + 6, ACTING)
    for number in range(0, 8, 2):
        found = Run(CutLink(edge, number), BACK + 6, ACTING, timing=LEAVE_OUT)
        used = found.driver.lost != []  # by the tree of the whole ring
        for step in range(USED, BACK):
            assert found.cuts[step] == [{edge} if used else set()] * 5 and certified(found, step), (number, step)
        for step in range(BACK + 3, BACK + 6):
            assert found.cuts[step] == [set()] * 5 and certified(found, step), (number, step)
        if not used:
            assert same(found, whole)
