# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The carts of carts.xml in MuJoCo, with gusts that push them towards lower positions. Knows nothing of ROS."""

from pathlib import Path

import mujoco
import numpy as np

MODEL = Path(__file__).with_name('carts.xml')


class Gusts:
    """Forces [N] on the carts, constant over an interval, uniform between -strength and zero.

    Those of an interval are a function of seed and interval alone, whatever happened before.

    Args:
        seed: of all gusts.
        n_carts: number of carts.
        strength: of the strongest gust [N].
        interval: in which a gust is constant [s].
    """

    def __init__(self, seed: int, n_carts: int, strength: float, interval: float):
        self._seed, self._n_carts, self._strength, self._interval = seed, n_carts, strength, interval

    def at(self, time: float) -> np.ndarray:
        """Force on each cart (n_carts,) at a time [s] since the start or the last reset."""
        index = int(time / self._interval + 1e-6)  # the sum of many time steps may lie just below a multiple
        sequence = np.random.SeedSequence(self._seed, spawn_key=(index,))
        return np.random.default_rng(sequence).uniform(-self._strength, 0.0, self._n_carts)


class Carts:
    """Carts with motors that saturate, springs between them, and friction.

    Args:
        seed: of the gusts.
        strength: of the strongest gust [N].
        interval: in which a gust is constant [s].
    """

    def __init__(self, seed: int, strength: float = 0.8, interval: float = 0.1):
        self.model = mujoco.MjModel.from_xml_path(str(MODEL))
        self.data = mujoco.MjData(self.model)
        self.names = tuple(self.model.joint(i).name for i in range(self.model.njnt))
        self._gusts = Gusts(seed, len(self.names), strength, interval)
        self.reset()

    def reset(self) -> None:
        """Back to the initial state and the beginning of the gusts."""
        mujoco.mj_resetDataKeyframe(self.model, self.data, 0)
        mujoco.mj_forward(self.model, self.data)

    @property
    def rest(self) -> np.ndarray:
        """Rest position of each cart on the rail (n_carts,) [m]."""
        return self.model.body_pos[self.model.jnt_bodyid, 0].copy()

    @property
    def time(self) -> float:
        """Simulated time since the start or the last reset [s]."""
        return self.data.time

    @property
    def positions(self) -> np.ndarray:
        """Displacement of each cart (n_carts,) [m]."""
        return self.data.qpos.copy()

    @property
    def velocities(self) -> np.ndarray:
        """Velocity of each cart (n_carts,) [m/s]."""
        return self.data.qvel.copy()

    @property
    def forces(self) -> np.ndarray:
        """Force of the motor on each cart (n_carts,) [N], within its limits."""
        return self.data.actuator_force.copy()

    @property
    def gusts(self) -> np.ndarray:
        """Force of the gust on each cart (n_carts,) [N] in the last time step."""
        return self.data.qfrc_applied.copy()

    def advance(self, commands: np.ndarray, duration: float) -> None:
        """Let the motors try to exert the commanded forces (n_carts,) [N] for a duration [s], in whole time steps."""
        self.data.ctrl[:] = commands
        for _ in range(max(1, round(duration / self.model.opt.timestep))):
            self.data.qfrc_applied[:] = self._gusts.at(self.data.time)
            mujoco.mj_step(self.model, self.data)
