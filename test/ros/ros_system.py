"""What the tests over real processes share."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PATIENCE = 60.0  # s


@pytest.fixture
def domain(monkeypatch):
    """A ROS domain of this test's own; after it, no process may be left there."""
    number = 1 + (os.getpid() * 13 + domain.count) % 99
    domain.count += 1
    monkeypatch.setenv('ROS_DOMAIN_ID', str(number))
    monkeypatch.setenv('DMPCRL_TEST', f'{os.getpid()}-{number}')
    yield number
    wait_for(lambda: not leftovers(), 10.0, 'processes to be gone')


domain.count = 0


def leftovers():
    """Processes started in this test, by the mark in their environment."""
    mark = f'DMPCRL_TEST={os.environ["DMPCRL_TEST"]}'.encode()
    found = []
    for entry in Path('/proc').glob('[0-9]*'):
        try:
            if int(entry.name) != os.getpid() and mark in (entry / 'environ').read_bytes().split(b'\0'):
                found.append(int(entry.name))
        except (OSError, ValueError):
            continue
    return found


def dmpcrl(*arguments):
    """The command, finished."""
    command = [sys.executable, '-P', '-m', 'dmpcrl_ros.cli', *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)


def start_dmpcrl(*arguments):
    """The command, running."""
    command = [sys.executable, '-P', '-m', 'dmpcrl_ros.cli', *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            stdin=subprocess.DEVNULL)


def wait_for(condition, seconds, what):
    """Poll until a condition holds; the test fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f'waited {seconds} s for {what}'
        time.sleep(0.05)


def recorded_steps(directory):
    """Rows of steps.csv so far."""
    file = Path(directory, 'steps.csv')
    return max(file.read_text().count('\n') - 1, 0) if file.exists() else 0


def interrupt(process):
    """Ctrl-C to the command alone, as a terminal does to its foreground process."""
    process.send_signal(signal.SIGINT)
