# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The rooms of the package: each may import only rooms below it, and most of them know nothing of ROS."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dmpcrl_ros

PACKAGE = Path(dmpcrl_ros.__file__).parent

# Bottom to top. Rooms of one floor stand side by side.
FLOORS = [
    ['core', 'topics'],
    ['mpc'],
    ['systems'],
    ['methods'],
    ['settings'],
    ['testing'],
    ['simulation'],
    ['recording'],
    ['experiments'],
    ['reproductions'],
    ['bringup'],
    ['endpoints'],
    ['security'],
    ['launching'],
    ['cli', 'executables'],
    ['transport'],
    ['nodes'],
]
HEIGHT = {room: height for height, floor in enumerate(FLOORS) for room in floor}
NEEDS_ROS = {'launching', 'transport', 'nodes'}
MESSAGES = 'msg'  # generated; beside the rooms, and of ROS
ROS = re.compile(
    r'(rclpy|rosidl\w*|rpyutils|launch|launch_\w+|ament_\w+|\w+_(msgs|srvs|interfaces)'
    r'|dmpcrl_ros\.msg)(\.|$)'
)


def modules():
    for path in sorted(PACKAGE.rglob('*.py')):
        parts = path.relative_to(PACKAGE).with_suffix('').parts
        if parts[0] not in ('__init__', MESSAGES):
            yield '.'.join(('dmpcrl_ros', *parts)).removesuffix('.__init__'), path


def room(module):
    """The room of a module; None of the package itself and of others."""
    parts = module.split('.')
    return parts[1] if parts[0] == 'dmpcrl_ros' and len(parts) > 1 else None


def imports(name, path):
    """Every module that a module imports, at its top or within a function."""
    package = name if path.name == '__init__.py' else name.rpartition('.')[0]
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                base = '.'.join([*package.split('.')[: len(package.split('.')) - node.level + 1], base]).strip('.')
            yield base
            yield from (f'{base}.{alias.name}' for alias in node.names if base == 'dmpcrl_ros')


MODULES = dict(modules())


def test_the_package_was_found():
    assert {'dmpcrl_ros.mpc.qp', 'dmpcrl_ros.core', 'dmpcrl_ros.settings.run'} <= MODULES.keys()


@pytest.mark.parametrize('name', MODULES)
def test_every_module_stands_in_a_room(name):
    assert room(name) in HEIGHT, f'say on which floor {room(name)} stands'


@pytest.mark.parametrize('name', [name for name in MODULES if room(name) in HEIGHT])
def test_a_module_imports_nothing_from_above(name):
    for imported in imports(name, MODULES[name]):
        other = room(imported)
        if other in HEIGHT:
            assert HEIGHT[other] <= HEIGHT[room(name)], f'{name} imports {imported} from a room above'


def test_floors_are_seen_through_all_forms_of_import(tmp_path):
    """Proof that the test above can fail."""
    path = tmp_path / 'module.py'
    path.write_text(
        'import dmpcrl_ros.cli\nfrom dmpcrl_ros import nodes\nfrom ..simulation import lockstep\n'
        'def later():\n    from dmpcrl_ros.transport.driver import x\n'
    )
    rooms = {room(imported) for imported in imports('dmpcrl_ros.mpc.module', path)}
    assert rooms == {'cli', 'nodes', 'simulation', 'transport', None}


WITHOUT_ROS = """
import importlib, importlib.abc, re, sys

class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if re.match({pattern!r}, name):
            raise ImportError(name + ' is not installed')

sys.meta_path.insert(0, Hidden())
try:
    import rclpy
    sys.exit('rclpy is not hidden: this proves nothing')
except ImportError:
    pass
failed = []
for name in {names!r}:
    try:
        importlib.import_module(name)
    except Exception as error:
        failed.append(f'{{name}}: {{error}}')
if failed:
    sys.exit('; '.join(failed))
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
settings = Settings(coordination='admm', admm__iterations=5)
steps = list(ClosedLoop(settings.make_system(), settings).run(3))
print(len(steps), 'steps without ROS')
"""


def test_all_but_the_nodes_import_and_run_without_ros():
    names = [name for name in MODULES if room(name) not in NEEDS_ROS and not name.endswith('__main__')]
    done = subprocess.run(
        [sys.executable, '-c', WITHOUT_ROS.format(pattern=ROS.pattern, names=names)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith('3 steps without ROS')


ALGORITHMS = {'core', 'mpc', 'methods', 'settings', 'testing', 'simulation'}
EDGES = re.compile(r'(logging|rich|click|matplotlib|csv|yaml|subprocess|threading|multiprocessing)(\.|$)')


@pytest.mark.parametrize('name', [name for name in MODULES if room(name) in ALGORITHMS])
def test_algorithms_neither_print_nor_open_files_nor_draw(name):
    """Files, plots, logging and progress bars stay at the edges."""
    assert not [imported for imported in imports(name, MODULES[name]) if EDGES.match(imported)]
    calls = [
        node.func.id
        for node in ast.walk(ast.parse(MODULES[name].read_text(encoding='utf-8')))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    assert not {'open', 'print', 'input', 'exec', 'eval'} & set(calls)
