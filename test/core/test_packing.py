# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Protocols that share their rounds."""

import numpy as np
import pytest

from dmpcrl_ros.core.averaging import finite_time
from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.exchange import DeadlineReached, Exchange, ExchangeTimeout
from dmpcrl_ros.core.graph import path_graph
from dmpcrl_ros.core.packing import packed
from dmpcrl_ros.simulation.lockstep import run_lockstep

GRAPH = path_graph(4)
VALUES = np.array([[3.0, -1.0], [0.5, 4.0], [-2.0, 1.0], [7.0, 0.0]])


def consensus(agent):
    return Consensus(agent, GRAPH, finite_time(GRAPH))


def test_packed_protocols_have_the_results_that_each_has_alone_in_the_rounds_of_the_longest():
    """A sum and two maxima over a path of four: sums by hand, and as many rounds as the longest takes alone."""

    def alone(agent):
        return consensus(agent).total(VALUES[agent])

    both, rounds = run_lockstep(
        [
            packed(consensus(i).total(VALUES[i]), consensus(i).maximum(VALUES[i]), consensus(i).maximum(-VALUES[i, :1]))
            for i in range(4)
        ]
    )
    expected, needed = run_lockstep([alone(i) for i in range(4)])
    for (total, largest, smallest), same in zip(both, expected, strict=True):
        assert np.array_equal(total, same) and total == pytest.approx([8.5, 4.0])
        assert np.array_equal(largest, [7.0, 4.0]) and np.array_equal(smallest, [2.0])
    assert rounds == max(needed, GRAPH.diameter)


def asking(rounds, kind='news', outbox=None, expects=None):
    """Protocol that exchanges, and ends with what it has received in each round, or why a round failed."""
    heard = []
    for _ in range(rounds):
        try:
            heard.append((yield Exchange(kind, outbox or {}, expects or {})))
        except DeadlineReached as deadline:
            return [*heard, str(deadline)]
    return heard


def test_arrays_of_any_shape_go_to_the_protocols_that_expect_them():
    matrix, vector = np.arange(6.0).reshape(2, 3), np.array([7.0, 8.0])
    program = packed(
        asking(1, 'first', {5: matrix}, {5: (3, 2), 4: (1,)}), asking(1, 'second', {5: vector, 4: vector}, {5: (2,)})
    )
    asked = next(program)
    assert asked.kind == 'first + second' and asked.expects == {5: (8,), 4: (1,)}
    assert np.array_equal(asked.outbox[5], [0, 1, 2, 3, 4, 5, 7, 8]) and np.array_equal(asked.outbox[4], [7, 8])
    with pytest.raises(StopIteration) as end:
        program.send({5: np.arange(8.0), 4: np.array([9.0])})
    ((first,), (second,)) = end.value.value
    assert np.array_equal(first[5], [[0, 1], [2, 3], [4, 5]]) and np.array_equal(first[4], [9])
    assert np.array_equal(second[5], [6, 7]) and set(second) == {5}


def test_a_neighbour_without_a_message_is_missing_for_all():
    program = packed(asking(1, expects={1: (1,), 2: (1,)}), asking(1, expects={1: (2,), 2: (2,)}))
    next(program)
    with pytest.raises(StopIteration) as end:
        program.send({2: np.array([1.0, 2.0, 3.0])})
    assert [set(inbox) for (inbox,) in end.value.value] == [{2}, {2}]


def test_the_exchange_of_a_single_protocol_is_left_as_it_is():
    exchange = Exchange('news', {1: np.ones((2, 2))}, {1: (2, 2)}, {2: (1,)})

    def once():
        return (yield exchange)

    program = packed(once(), asking(0))
    assert next(program) is exchange
    with pytest.raises(StopIteration) as end:
        program.send({})
    assert end.value.value == ({}, [])


def test_without_protocols_there_are_no_rounds():
    assert run_lockstep([packed()]) == ([()], 0)


def test_a_deadline_reaches_all_that_are_under_way_and_they_end_with_what_they_have():
    program = packed(asking(3), asking(1), asking(3))
    next(program)
    program.send({})
    with pytest.raises(StopIteration) as end:
        program.throw(DeadlineReached('out of time'))
    assert end.value.value == ([{}, 'out of time'], [{}], [{}, 'out of time'])


def test_a_failed_round_that_a_protocol_cannot_do_without_fails_for_all():
    program = packed(asking(3), asking(3))
    next(program)
    with pytest.raises(ExchangeTimeout, match='no news'):
        program.throw(ExchangeTimeout('no news'))


def test_optional_messages_are_refused():
    def optional():
        yield Exchange('news', {}, {}, {1: (1,)})

    with pytest.raises(ValueError, match='optional'):
        next(packed(optional(), optional()))
