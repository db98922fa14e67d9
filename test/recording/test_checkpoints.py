"""What an agent keeps is whole, its own and of this format, or it is not used; the one before it then is."""
import os
import pickle
import subprocess

import numpy as np
import pytest

from dmpcrl_ros.core.report import Learned
from dmpcrl_ros.methods.q_learning.replay import Transition
from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.recording.checkpoints import Checkpoint, CheckpointError, CheckpointFolder

LAYOUT = ParameterLayout({'V0': (1,), 'A': (2, 2)})


def checkpoint(updates=3, hessian=False, transitions=4):
    random = np.random.default_rng(updates)
    kept = tuple(Transition(step, random.normal(), random.normal(size=5),
                            random.normal(size=(5, 5)) if hessian else None) for step in range(transitions))
    return Checkpoint(Learned(random.normal(size=5), updates, kept), run=7, step=40)


def folder(path, *, scenario='chain', agent='agent_1', layout=LAYOUT):
    return CheckpointFolder(path, scenario, agent, layout)


def same(one, other):
    assert (one.run, one.step, one.learned.updates) == (other.run, other.step, other.learned.updates)
    assert one.learned.theta.tobytes() == other.learned.theta.tobytes()
    assert len(one.learned.transitions) == len(other.learned.transitions)
    for a, b in zip(one.learned.transitions, other.learned.transitions, strict=True):
        assert (a.step, a.td_error) == (b.step, b.td_error) and np.array_equal(a.gradient, b.gradient)
        assert (a.hessian is None) == (b.hessian is None)
        assert a.hessian is None or np.array_equal(a.hessian, b.hessian)


@pytest.mark.parametrize('options', [{}, {'hessian': True}, {'transitions': 0}])
def test_what_is_saved_comes_back_to_the_last_bit(tmp_path, options):
    saved = checkpoint(**options)
    folder(tmp_path / 'new').save(saved)
    found, refused = folder(tmp_path / 'new').load()
    same(found, saved)
    assert not refused and not list((tmp_path / 'new').glob('.*'))


def test_nothing_there_is_nothing(tmp_path):
    assert folder(tmp_path).load() == (None, [])


def damage(kind, file):
    whole = file.read_bytes()
    if kind == 'truncated':
        file.write_bytes(whole[:len(whole) // 2])
    elif kind == 'empty':
        file.write_bytes(b'')
    elif kind == 'a flipped byte':
        place = whole.index(b'theta.npy') + 140
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xff]) + whole[place + 1:])
    elif kind == 'text':
        file.write_text('nothing of this kind')
    elif kind == 'a pickle':
        file.write_bytes(pickle.dumps({'theta': np.zeros(5)}))
    elif kind == 'pickled objects':
        with open(file, 'wb') as target:
            np.savez(target, theta=np.array([{'a': 1}], dtype=object), allow_pickle=True)
    else:
        with np.load(file) as arrays:
            changed = dict(arrays)
        header = str(changed['header']).replace('"format": 1', '"format": 9')
        changed |= {'another size': {'theta': np.zeros(4)}, 'NaN': {'theta': np.full(5, np.nan)},
                    'another format': {'header': np.array(header)}, 'no header': {'header': np.array('{}')},
                    'lacking arrays': {}}[kind]
        if kind == 'lacking arrays':
            del changed['td_errors']
        with open(file, 'wb') as target:
            np.savez(target, **changed)


@pytest.mark.parametrize('kind', ['truncated', 'empty', 'a flipped byte', 'text', 'a pickle', 'pickled objects',
                                  'another size', 'NaN', 'another format', 'no header', 'lacking arrays'])
def test_a_damaged_checkpoint_is_refused_by_name_and_the_one_before_it_used(tmp_path, kind):
    mine, first = folder(tmp_path), checkpoint(1)
    mine.save(first)
    mine.save(checkpoint(2))
    damage(kind, mine.newest)
    found, (reason,) = mine.load()
    same(found, first)
    assert str(mine.newest) in reason and 'refused' in reason


@pytest.mark.parametrize(('foreign', 'word'), [({'agent': 'agent_2'}, 'agent'), ({'scenario': 'ring'}, 'scenario'),
                                               ({'layout': ParameterLayout({'V0': (1,), 'A': (4,)})}, None),
                                               ({'layout': ParameterLayout({'V0': (1,), 'B': (2, 2)})}, 'names')])
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
