# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A process that is to end with its parent does, even when the parent is killed."""

import os
import select
import signal
import subprocess
import sys

import pytest

PARENT = """
import subprocess, sys, time
from dmpcrl_ros.core.process import end_with_parent
child = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE, preexec_fn={ask})
print(child.pid, child.stdout.readline().decode().strip(), flush=True)
time.sleep(60)
"""
CHILD = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print('ready', flush=True)
time.sleep({seconds})
open({mark!r}, 'w').close()
"""


@pytest.mark.parametrize(
    ('ask', 'survives'), [('end_with_parent', False), ('lambda: end_with_parent(9)', False), ('None', True)]
)
def test_a_child_ends_with_its_killed_parent(tmp_path, ask, survives):
    """A child that is left alone leaves a mark in the end; the last case shows that this test can fail."""
    mark = tmp_path / 'mark'
    child = CHILD.format(mark=str(mark), seconds=3 if survives else 60)
    program = PARENT.format(child=child, ask=ask)
    parent = subprocess.Popen(
        [sys.executable, '-c', f'import sys; sys.path[:0] = {sys.path!r}\n{program}'], stdout=subprocess.PIPE, text=True
    )
    pid, word = parent.stdout.readline().split()
    assert word == 'ready'
    watch = os.pidfd_open(int(pid))
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    assert select.select([watch], [], [], 20.0)[0], 'the child is still there'
    os.close(watch)
    assert mark.exists() == survives
