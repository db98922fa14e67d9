# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Transitions are put together from the messages of all agents, in order, whatever the order of arrival."""

import random

import numpy as np
import pytest

pytest.importorskip('rclpy')

from dmpcrl_ros import msg  # noqa: E402
from dmpcrl_ros.methods.method import Metric  # noqa: E402
from dmpcrl_ros.transport.step_assembler import StepAssembler  # noqa: E402

STEPS, AGENTS = 40, 2
METRICS = (
    Metric(name='td_error', meaning='an error', column='ended'),
    Metric(name='explored', meaning='a flag', column='begun', flag=True),
)


def messages(run=1):
    """(agent, message) of a run in which every value is a function of step and agent."""
    for step in range(STEPS + 1):
        for agent in range(AGENTS):
            common = {'run': run, 'step': step, 'agent': agent}
            yield (
                agent,
                msg.State(
                    **common,
                    state=[step + 0.1 * agent],
                    stage_cost=100.0 * step + agent,
                    applied=[1 - step - 0.1 * agent],
                ),
            )
            yield (
                agent,
                msg.Status(
                    **common,
                    rounds=step,
                    metric_names=[metric.name for metric in METRICS],
                    metrics=[step + 0.5, float(step % 3 == 0)],
                ),
            )


def assemble(stream, period=1.0):
    """Assemble messages that arrive at the time of their step."""
    assembler = StepAssembler(AGENTS, METRICS)
    return assembler, [
        step for agent, message in stream for step in assembler.add(agent, message, period * message.step)
    ]


@pytest.mark.parametrize('seed', range(3))
def test_transitions_come_whole_and_in_order(seed):
    stream = list(messages())
    blocks = [stream[k : k + 8] for k in range(0, len(stream), 8)]  # two steps may arrive in any order
    for block in blocks:
        random.Random(seed).shuffle(block)
    assembler, steps = assemble(m for block in blocks for m in block)
    assert [step.step for step in steps] == list(range(STEPS)) and assembler.lost == 0
    seventh = steps[7]
    assert seventh.states.tolist() == [7.0, 7.1] and seventh.actions.tolist() == [-7.0, -7.1]
    assert seventh.costs.tolist() == [800.0, 801.0]  # published with the state to which they led
    assert seventh.metrics == {'td_error': 8.5, 'explored': 0.0} and seventh.rounds == 7
    assert steps[6].metrics['explored'] == 1.0


def test_a_lost_state_costs_the_two_transitions_that_it_belongs_to():
    assembler, steps = assemble((a, m) for a, m in messages() if (m.step, type(m), a) != (5, msg.State, 1))
    assert [step.step for step in steps] == [k for k in range(STEPS) if k not in (4, 5)] and assembler.lost == 2


def test_a_transition_without_the_word_of_an_agent_is_recorded_with_a_fault():
    assembler, steps = assemble((a, m) for a, m in messages() if (m.step, type(m), a) != (5, msg.Status, 1))
    assert [step.step for step in steps] == list(range(STEPS)) and assembler.lost == 0
    assert steps[4].faults == ('', 'no status of an agent') and steps[4].metrics['td_error'] == 5.5
    assert all(not any(step.faults) for step in steps if step.step != 4)


def test_a_fast_loop_waits_until_a_message_is_sent_again():
    """A middleware that sends a lost message again after 3 s does so 300 steps later."""
    stream = list(messages())
    (late,) = [(a, m) for a, m in stream if (m.step, type(m), a) == (5, msg.Status, 1)]
    stream.remove(late)
    assembler = StepAssembler(AGENTS, METRICS)
    early = [step for a, m in stream for step in assembler.add(a, m, 0.01 * m.step)]
    assert [step.step for step in early] == list(range(4))
    rest = list(assembler.add(*late, 3.4))
    assert [step.step for step in rest] == list(range(4, STEPS)) and not any(any(step.faults) for step in rest)


def test_what_is_late_at_the_end_is_not_waited_for():
    assembler, steps = assemble((a, m) for a, m in messages() if (m.step, type(m), a) != (STEPS, msg.Status, 1))
    assert [step.step for step in [*steps, *assembler.finish()]] == list(range(STEPS))


def test_messages_of_another_run_are_left_out():
    assembler, steps = assemble([*messages(), *messages(run=2)])
    assert len(steps) == STEPS and np.isfinite([step.metrics['td_error'] for step in steps]).all()
