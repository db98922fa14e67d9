# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""`pip install .`: runs CMake and packs what it installs into a wheel.

CMakeLists.txt alone knows what is installed. colcon and `make` call it without this file.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import ament_package
from setuptools import setup
from setuptools.command.build import build
from setuptools.dist import Distribution

HERE = Path(__file__).resolve().parent


def cmake_environment():
    """Variables with which CMake finds ROS 2: the prefix that holds ament_package comes first."""
    prefix = str(Path(ament_package.__file__).parents[4])
    environment = dict(os.environ)
    for name in ('AMENT_PREFIX_PATH', 'CMAKE_PREFIX_PATH'):
        environment[name] = os.pathsep.join(filter(None, [prefix, os.environ.get(name)]))
    if shutil.which('ninja'):
        environment.setdefault('CMAKE_GENERATOR', 'Ninja')
    return environment


class CMakeBuild(build):
    """Install with CMake into a staging folder and add that folder to the wheel."""

    def run(self):
        # A module that was renamed must not survive in the wheel.
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        work, stage = (Path(self.build_base).resolve() / name for name in ('pip-cmake', 'pip-stage'))
        for folder in (work, stage):
            shutil.rmtree(folder, ignore_errors=True)
        environment = cmake_environment()
        subprocess.check_call(
            [
                'cmake',
                '-S',
                str(HERE),
                '-B',
                str(work),
                f'-DCMAKE_INSTALL_PREFIX={stage}',
                f'-DPython3_EXECUTABLE={sys.executable}',
                '-DBUILD_TESTING=OFF',
            ],
            env=environment,
        )
        subprocess.check_call(['cmake', '--build', str(work), '--target', 'install'], env=environment)
        self.pack(stage)

    def pack(self, stage):
        """Modules and messages go into the package; libraries, share/ and the rest into the prefix."""
        name = self.distribution.get_name()
        modules = Path(sysconfig.get_path('purelib', 'posix_prefix', vars={'base': str(stage)}))
        shutil.copytree(
            modules / name,
            Path(self.build_lib) / name,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns('__pycache__'),
        )
        made_by_pip = (modules, stage / 'bin')
        files = {}
        for path in sorted(path for path in stage.rglob('*') if path.is_file()):
            if not any(folder in path.parents for folder in made_by_pip):
                files.setdefault(str(path.parent.relative_to(stage)), []).append(str(path))
        self.distribution.data_files = sorted(files.items())


class BinaryDistribution(Distribution):
    """A wheel for this platform and interpreter only: the messages are compiled."""

    def has_ext_modules(self):
        return True


setup(cmdclass={'build': CMakeBuild}, distclass=BinaryDistribution)
