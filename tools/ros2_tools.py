# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The real ros2 launch and command line, for an environment made of wheels, where ROS 2 brings none.

They go into a folder of their own, which only the tests in test/launch put on the path: with launch installed,
`dmpcrl run` takes another way.
"""

import shutil

STUB = 'class LoadNode:\n    class Request:\n        pass\n'  # launch_ros imports it; there is no wheel


def add(environment, wheels, pins):
    """Bring the folder up to date, and tell whether there are wheels to fill it with.

    Args:
        environment: of setup_environment.py.
        wheels: folder that holds them.
        pins: of what they need.
    """
    folder, found = environment.path / 'ros2-tools', sorted(wheels.glob('*.whl'))
    if not found:
        shutil.rmtree(folder, ignore_errors=True)
        return False
    names = '\n'.join([*(path.name for path in found), *pins])
    stamp = folder / 'content.txt'
    if not (stamp.is_file() and stamp.read_text() == names):
        shutil.rmtree(folder, ignore_errors=True)
        environment.pip('--no-deps', '--target', folder, *pins, *found)
        (folder / 'composition_interfaces').mkdir()
        (folder / 'composition_interfaces' / 'srv.py').write_text(STUB)
        stamp.write_text(names)
    return True
