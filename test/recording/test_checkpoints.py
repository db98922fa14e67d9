# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A checkpoint is whole, of its agent and of this format, or it is not used; the one before it then is."""

import io
import json
import os
import pickle
import subprocess
import zipfile

import numpy as np
import pytest

from dmpcrl_ros.core.agent import SnapshotError
from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.methods.learner import Transition
from dmpcrl_ros.recording.checkpoints import Checkpoint, CheckpointError, CheckpointFolder, ForeignCheckpointError
from dmpcrl_ros.settings.run import Settings

LAYOUT = ParameterLayout({'V0': (1,), 'A': (2, 2)})


def checkpoint(updates=3, hessian=False, transitions=4):
    random = np.random.default_rng(updates)
    arrays = {
        'theta': random.normal(size=5),
        'updates': np.array(updates),
        'steps': np.arange(transitions),
        'td_errors': random.normal(size=transitions),
        'gradients': random.normal(size=(transitions, 5)),
    }
    if hessian:
        arrays['hessians'] = random.normal(size=(transitions, 5, 5))
    return Checkpoint(arrays, run=7, step=40)


def folder(path, *, system='chain', method='q_learning', agent='agent_1', layout=LAYOUT, agents=('agent_1',)):
    return CheckpointFolder(path, system, method, agent, layout, agents)


def same(one, other):
    assert (one.run, one.step) == (other.run, other.step)
    assert list(one.arrays) == list(other.arrays)
    for name, array in other.arrays.items():
        assert one.arrays[name].dtype == array.dtype and one.arrays[name].shape == array.shape, name
        assert one.arrays[name].tobytes() == array.tobytes(), name


@pytest.mark.parametrize('options', [{}, {'hessian': True}, {'transitions': 0}])
def test_what_is_saved_comes_back_to_the_last_bit(tmp_path, options):
    saved = checkpoint(**options)
    folder(tmp_path / 'new').save(saved)
    found, refused = folder(tmp_path / 'new').load()
    same(found, saved)
    assert not refused and not list((tmp_path / 'new').glob('.*'))


@pytest.mark.parametrize(
    'arrays',
    [
        {},
        {'header': np.array([1.0, np.nan]), 'file': np.array(3), 'allow_pickle': np.zeros((2, 0)), 'self': np.eye(2)},
        {'a/b': np.array([True, False]), 'array/header': np.arange(3, dtype=np.int8), 'x.npy': np.array(np.inf)},
    ],
)
def test_a_method_may_call_its_arrays_as_it_likes(tmp_path, arrays):
    """Nothing of them is looked at: NaN, no theta and no parameters are the agent's own affair."""
    mine = folder(tmp_path, layout=ParameterLayout({}))
    mine.save(Checkpoint(arrays, 1, 2))
    found, refused = mine.load()
    assert not refused
    same(found, Checkpoint(arrays, 1, 2))


def test_objects_are_not_written(tmp_path):
    with pytest.raises(ValueError, match='allow_pickle'):
        folder(tmp_path).save(Checkpoint({'a': np.array([{}], dtype=object)}, 1, 2))
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_is_an_npz_that_numpy_reads(tmp_path):
    folder(tmp_path).save(checkpoint())
    with np.load(folder(tmp_path).newest, allow_pickle=False) as arrays:
        header = json.loads(str(arrays['header']))
        assert arrays['array/theta'].tolist() == checkpoint().arrays['theta'].tolist()
    assert header == {
        'format': 2,
        'system': 'chain',
        'method': 'q_learning',
        'agent': 'agent_1',
        'agents': ['agent_1'],
        'names': ['V0', 'A'],
        'sizes': [1, 4],
        'arrays': list(checkpoint().arrays),
        'run': 7,
        'step': 40,
    }


def test_nothing_there_is_nothing(tmp_path):
    assert folder(tmp_path).load() == (None, [])


def altered(file, change):
    """The file with other members; its checksums are right."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(file, 'w') as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def npy(array):
    data = io.BytesIO()
    np.lib.format.write_array(data, array, allow_pickle=True)
    return data.getvalue()


def other_header(members, **changes):
    header = json.loads(str(np.load(io.BytesIO(members['header.npy']))))
    members['header.npy'] = npy(np.array(json.dumps(header | changes)))


CHANGES = {
    'pickled objects': lambda members: members.update({'array/theta.npy': npy(np.array([{'a': 1}], dtype=object))}),
    'another format': lambda members: other_header(members, format=9),
    'no header': lambda members: members.pop('header.npy'),
    'an empty header': lambda members: members.update({'header.npy': npy(np.array('{}'))}),
    'a header that is a list': lambda members: members.update({'header.npy': npy(np.array('[1]'))}),
    'a header that is no JSON': lambda members: members.update({'header.npy': npy(np.array('chain'))}),
    'lacking arrays': lambda members: members.pop('array/td_errors.npy'),
    'an array that is none': lambda members: members.update({'array/theta.npy': b'no array'}),
}


def damage(kind, file):
    whole = file.read_bytes()
    if kind == 'truncated':
        file.write_bytes(whole[: len(whole) // 2])
    elif kind == 'empty':
        file.write_bytes(b'')
    elif kind == 'a flipped byte':
        place = whole.index(b'theta.npy') + 140
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
    elif kind == 'text':
        file.write_text('nothing of this kind')
    elif kind == 'a pickle':
        file.write_bytes(pickle.dumps({'theta': np.zeros(5)}))
    elif kind == 'one array':
        with open(file, 'wb') as target:
            np.save(target, np.zeros(5))
    elif kind == 'compressed':
        with zipfile.ZipFile(file) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
    else:
        altered(file, CHANGES[kind])


@pytest.mark.parametrize(
    'kind', ['truncated', 'empty', 'a flipped byte', 'text', 'a pickle', 'one array', 'compressed', *CHANGES]
)
def test_a_damaged_checkpoint_is_refused_by_name_and_the_one_before_it_used(tmp_path, kind):
    mine, first = folder(tmp_path), checkpoint(1)
    mine.save(first)
    mine.save(checkpoint(2))
    damage(kind, mine.newest)
    found, (reason,) = mine.load()
    same(found, first)
    assert str(mine.newest) in reason and 'refused' in reason


def learned_agent():
    """An agent that has learned a little, with its name and its folder."""
    settings = Settings(learning__order='first')
    agent, random = settings.make_agent(settings.make_system(), 1), np.random.default_rng(1)
    for step in range(1, 4):
        agent.learner.observe(Transition(step, random.normal(), random.normal(size=agent.layout.size)))
    agent.updates = 3
    return agent


def test_a_file_that_was_changed_or_cut_anywhere_is_refused_or_says_the_same(tmp_path):
    """Every byte of a real file is changed, and the file is cut, lengthened or shortened, at many places. What no
    checksum covers, as the dates in the archive, changes nothing."""
    agent = learned_agent()
    mine = folder(tmp_path, agent='agent_2', layout=agent.layout)
    first, second = Checkpoint(agent.snapshot(), 1, 10), Checkpoint(agent.snapshot(), 2, 20)
    mine.save(first)
    mine.save(second)
    whole, random, refusals = mine.newest.read_bytes(), np.random.default_rng(0), 0
    spoilt = [
        whole[:place] + bytes([whole[place] ^ int(random.integers(1, 256))]) + whole[place + 1 :]
        for place in range(len(whole))
    ]
    for place in range(0, len(whole), 9):
        spoilt += [
            whole[:place],
            whole[place + 1 :],
            whole[:place] + b'\0' + whole[place:],
            whole[:place] + whole[place + 1 :],
        ]
    for _ in range(500):
        several = bytearray(whole)
        for place in random.integers(0, len(whole), 20):
            several[place] = random.integers(256)
        spoilt.append(bytes(several))
    for data in spoilt:
        mine.newest.write_bytes(data)
        found, refused = mine.load()
        same(found, first if refused else second)
        assert all(str(mine.newest) in reason for reason in refused)
        refusals += len(refused)
    assert refusals > 0.8 * len(spoilt)


@pytest.mark.parametrize(
    'change',
    [
        {'theta': np.zeros(4)},
        {'theta': np.full(24, np.nan)},
        {'updates': None},
        {'td_errors': np.zeros(2)},
        {'gradients': None},
    ],
)
def test_whether_arrays_fit_the_agent_says(tmp_path, change):
    agent = learned_agent()
    mine, before = folder(tmp_path, layout=agent.layout), agent.snapshot()
    assert agent.layout.size == 24
    arrays = {name: array for name, array in {**before, **change}.items() if array is not None}
    mine.save(Checkpoint(arrays, 1, 2))
    found, refused = mine.load()
    assert not refused
    with pytest.raises(SnapshotError, match=next(iter(change))):
        agent.restore(found.arrays)
    same(Checkpoint(agent.snapshot(), 0, 0), Checkpoint(before, 0, 0))
    mine.save(Checkpoint(before, 1, 2))
    other = learned_agent()
    other.reset()
    other.restore(mine.load()[0].arrays)
    same(Checkpoint(other.snapshot(), 0, 0), Checkpoint(before, 0, 0))


@pytest.mark.parametrize(
    ('foreign', 'word'),
    [
        ({'agent': 'agent_2'}, 'agent'),
        ({'system': 'ring'}, 'system'),
        ({'method': 'nominal_mpc'}, 'method'),
        ({'layout': ParameterLayout({'V0': (1,), 'A': (4,)})}, None),
        ({'layout': ParameterLayout({'V0': (1,), 'B': (2, 2)})}, 'names'),
    ],
)
def test_a_foreign_checkpoint_is_refused_by_name(tmp_path, foreign, word):
    other = folder(tmp_path, **foreign)
    other.save(checkpoint())
    os.replace(other.newest, folder(tmp_path).newest)
    found, refused = folder(tmp_path).load()
    if word is None:  # the same names and sizes: the same parameters
        assert found and not refused
    else:
        assert found is None and f'its {word} is' in refused[0]


def test_an_unwritable_folder_is_said_and_the_old_checkpoint_stays_whole(tmp_path, monkeypatch):
    mine, first = folder(tmp_path), checkpoint(1)
    mine.save(first)

    def full(*arguments):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(CheckpointError, match=r'cannot save a checkpoint to .*agent_1\.npz: No space left'):
        mine.save(checkpoint(2))
    found, refused = mine.load()
    same(found, first)
    assert not refused and sorted(path.name for path in tmp_path.iterdir()) == ['agent_1.npz']


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 kB."""
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', tmp_path], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f'mounting is not permitted: {done.stderr}')
    yield tmp_path
    subprocess.run(['umount', tmp_path], check=True)


def test_a_full_disk_is_said_and_the_old_checkpoint_stays_whole(small_disk):
    mine, first = folder(small_disk), checkpoint(1)
    mine.save(first)
    with pytest.raises(CheckpointError, match=r'cannot save a checkpoint to .*agent_1\.npz: No space left'):
        mine.save(checkpoint(2, transitions=5000))
    found, refused = mine.load()
    same(found, first)
    assert not refused and [path.name for path in small_disk.iterdir()] == ['agent_1.npz']
    mine.save(checkpoint(3))  # there is room again for what is small
    same(mine.load()[0], checkpoint(3))


def test_a_file_where_the_folder_should_be_is_said(tmp_path):
    (tmp_path / 'taken').write_text('')
    with pytest.raises(CheckpointError, match='cannot save a checkpoint'):
        folder(tmp_path / 'taken').save(checkpoint())


def test_a_crash_between_the_two_renames_leaves_the_one_before(tmp_path):
    mine, first = folder(tmp_path), checkpoint(1)
    mine.save(first)
    os.replace(mine.newest, mine.previous)  # what save does first
    found, refused = mine.load()
    same(found, first)
    assert not refused


def test_a_checkpoint_that_the_agent_refuses_is_named_and_the_one_before_it_used(tmp_path):
    mine, first, second = folder(tmp_path), checkpoint(1), checkpoint(2)
    mine.save(first)
    mine.save(second)

    def restore(arrays):
        if int(arrays['updates']) == int(second.arrays['updates']):
            raise SnapshotError('the problem has no solution')

    found, refused = mine.load(restore)
    same(found, first)
    assert refused == [f'checkpoint {mine.newest} refused: the problem has no solution']


@pytest.mark.parametrize(
    'other',
    [
        {'agents': ('agent_1', 'agent_2')},
        {'system': 'ring'},
        {'method': 'nominal_mpc'},
        {'layout': ParameterLayout({'V0': (5,)})},
    ],
)
def test_a_checkpoint_of_another_system_is_not_to_be_overwritten(tmp_path, other):
    folder(tmp_path, **other).save(checkpoint())
    what = 'names' if 'layout' in other else next(iter(other))
    with pytest.raises(ForeignCheckpointError, match=rf'agent_1\.npz refused: its {what} is'):
        folder(tmp_path).check_own()
    folder(tmp_path, **other).check_own()


def test_a_folder_without_a_checkpoint_or_with_a_damaged_one_can_be_used(tmp_path):
    folder(tmp_path).check_own()
    folder(tmp_path).newest.write_bytes(b'no archive')
    folder(tmp_path).check_own()
