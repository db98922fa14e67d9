"""The lockstep driver: it delivers rounds, and insists that all agents run the same program."""
import numpy as np
import pytest

from dmpcrl_ros.core.exchange import Exchange
from dmpcrl_ros.simulation.lockstep import ProtocolMismatch, run_lockstep


def exchange(other, message, kind='news', shape=(2,)):
    inbox = yield Exchange(kind, {other: message}, {other: shape})
    return inbox[other]


def silent(result):
    return result
    yield


def test_every_round_delivers_what_was_sent_in_it():
    def program(other, start):
        heard = []
        for k in range(3):
            inbox = yield Exchange('news', {other: np.array([start + k])}, {other: (1,)})
            heard.append(inbox[other].item())
        return heard

    assert run_lockstep([program(1, 10.0), program(0, 20.0)]) == ([[20.0, 21.0, 22.0], [10.0, 11.0, 12.0]], 3)


def test_an_edge_can_be_used_in_one_direction_only():
    def speak():
        yield Exchange('news', {1: np.ones(2)}, {})

    def listen():
        return (yield Exchange('news', {}, {0: (2,)}))[0]

    (_, heard), rounds = run_lockstep([speak(), listen()])
    assert heard.tolist() == [1.0, 1.0] and rounds == 1


def test_programs_without_exchange_need_no_round():
    assert run_lockstep([silent('a'), silent('b')]) == (['a', 'b'], 0)


def test_agents_that_ask_for_different_exchanges_are_stopped():
    with pytest.raises(ProtocolMismatch, match="agent 1 asks for 'other', agent 0 for 'news'"):
        run_lockstep([exchange(1, np.ones(2)), exchange(0, np.ones(2), kind='other')])


def test_a_message_of_the_wrong_shape_is_stopped():
    with pytest.raises(ProtocolMismatch, match=r"agent 1 expects 'news' of shape \(2,\), .* shape \(3,\)"):
        run_lockstep([exchange(1, np.ones(3)), exchange(0, np.ones(2))])


def test_a_message_that_is_not_sent_is_noticed():
    def mute():
        yield Exchange('news', {}, {})

    with pytest.raises(ProtocolMismatch, match="agent 0 expects 'news' .* nothing"):
        run_lockstep([exchange(1, np.ones(2)), mute()])


@pytest.mark.parametrize('short', [0, 1])
def test_an_agent_that_ends_before_the_others_is_noticed(short):
    programs = [exchange(1, np.ones(2)), exchange(0, np.ones(2))]
    programs[short] = silent(None)
    with pytest.raises(ProtocolMismatch, match="1 of 2 agents ended while the others exchange 'news'"):
        run_lockstep(programs)
