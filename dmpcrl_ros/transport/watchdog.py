"""What a plant does with inputs that do not come."""

from collections.abc import Sequence

import numpy as np

from dmpcrl_ros.systems.system import Scenario


class ActionWatchdog:
    """Chooses the input of every agent in every step: the fresh one; without one the last, for so many steps on end;
    then the agent's safe input. Whatever it chooses lies within the bounds.

    Args:
        network: whose inputs they are.
        hold_steps: for how long the last input is held.
    """

    def __init__(self, network: Scenario, hold_steps: int):
        self._local, self._hold_steps = network.local, hold_steps
        self.reset()

    def reset(self) -> None:
        """Nothing has been applied yet."""
        self._last = [data.safe_input for data in self._local]
        self._missed = np.zeros(len(self._local), dtype=int)

    def choose(self, fresh: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        """What is to be applied (n_u,) for the inputs that are in, None for one that is not."""
        self._missed = np.where([action is None for action in fresh], self._missed + 1, 0)
        for i, (data, action) in enumerate(zip(self._local, fresh, strict=True)):
            if action is not None:
                self._last[i] = np.clip(action, data.input_lower, data.input_upper)
            elif self._missed[i] > self._hold_steps:
                self._last[i] = data.safe_input
        return list(self._last)
