# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Lifecycle nodes, managed from outside or with autostart."""

import gc
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Any, Generic, TypeVar

from lifecycle_msgs.srv import ChangeState
from rclpy.exceptions import InvalidHandle
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from dmpcrl_ros.nodes.parameters import LiveParameters, declare
from dmpcrl_ros.nodes.signals import SPIN_SLICE, running
from dmpcrl_ros.settings.nodes import ManagedNodeSettings
from dmpcrl_ros.transport.executor import make_executor

OptionsT = TypeVar('OptionsT', bound=ManagedNodeSettings)

_DELIVERY = 0.2  # s, in which the response to a shutdown request can arrive before the node is gone


class ManagedNode(LifecycleNode, Generic[OptionsT]):
    """A lifecycle node that works in its own loop while it is active.

    Transitions arrive whenever the executor spins, also during a step: `active` then becomes false, and the node leaves
    the step.

    Args:
        name: of the node.
        kind: class of its own settings, declared as parameters.
        of_method: whether it also has the settings of the method.
        live: names of common settings that can be changed while it runs, in addition to its own live settings.
    """

    def __init__(self, name: str, kind: type[OptionsT], *, of_method: bool = False, live: Collection[str] = ()):
        super().__init__(name)
        self.settings, self.options = declare(self, kind, of_method=of_method, live=live)
        self.live = LiveParameters(self, kind)
        self.executor_ = make_executor()
        self.executor_.add_node(self)
        self.active = self._over = self._at_work = False
        self._refusal: Exception | None = None

    def run(self) -> None:
        """Work while active, until shut down.

        Raises:
            SettingError: the node starts itself, and its settings are wrong.
            NetworkError: the node starts itself, and the description of the system is wrong.
        """
        if self.options.autostart and running():
            self.trigger_configure()
            if self._refusal:
                raise self._refusal
            self.trigger_activate()
        try:
            while running() and not self._over:
                if self.active:
                    self._at_work = True
                    self.work()
                    self._at_work = False
                else:
                    self._spin(SPIN_SLICE)
        finally:
            self._leave()
        delivered = time.monotonic() + _DELIVERY
        while self._over and (remaining := delivered - time.monotonic()) > 0.0:
            self._spin(remaining)

    def configure(self) -> None:
        """Make the objects that the settings describe."""

    def work(self) -> None:
        """Work while the node is active."""

    def halt(self) -> None:
        """Leave the plant safe after deactivation."""

    def release(self) -> None:
        """Drop the objects of `configure` except publishers, subscriptions, services and timers."""

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unconfigured to inactive; fails with the reason in the log if the settings are wrong."""
        self._before = self._entities()
        try:
            self.configure()
        except Exception as refusal:  # rclpy would swallow it
            self._refusal = refusal
            if not self.options.autostart:
                self.get_logger().error(str(refusal) or repr(refusal))
            self._destroy_entities()
            return TransitionCallbackReturn.FAILURE
        gc.collect()
        gc.freeze()  # a garbage collection of all objects made so far takes longer than a short control step
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Inactive to active. The node waits for the network in its own loop, so all nodes can be activated at once."""
        self.active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Active to inactive."""
        self._leave()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Inactive to unconfigured; refused while a step is being left."""
        if self._at_work:
            return TransitionCallbackReturn.FAILURE
        self.release()
        self._destroy_entities()
        gc.unfreeze()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """To finalized; an active node leaves the plant safe."""
        self._leave()
        self._over = True
        return super().on_shutdown(state)

    def _LifecycleNodeMixin__on_change_state(  # noqa: N802 - rclpy lets a request for an impossible transition raise
        self, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        try:
            return super()._LifecycleNodeMixin__on_change_state(request, response)  # type: ignore[misc]
        except rclpy_implementation.RCLError as error:
            self.get_logger().warning(f'transition refused: {error}')
            response.success = False
            return response

    def _leave(self) -> None:
        if self.active:
            self.active = False
            try:
                self.halt()
            except Exception as error:  # rclpy would swallow it in a transition
                self.get_logger().error(f'not left safe: {error!r}')

    def _spin(self, timeout: float) -> None:
        with suppress(InvalidHandle):  # response to a request that was waiting when its service was destroyed
            self.executor_.spin_once(timeout_sec=timeout)

    def _entities(self) -> set[Any]:
        return {*self.publishers, *self.subscriptions, *self.services, *self.timers}

    def _destroy_entities(self) -> None:
        self.live.followers.clear()
        made = self._entities() - self._before
        for publisher in made.intersection(self.publishers):
            self.destroy_publisher(publisher)
        for entities, destroy in (
            (self.subscriptions, self.destroy_subscription),
            (self.services, self.destroy_service),
            (self.timers, self.destroy_timer),
        ):
            for entity in made.intersection(entities):
                entity.callback = _ignore  # the executor still delivers what is in its queue
                destroy(entity)


def _ignore(*arguments: Any) -> Any:
    """Callback of destroyed subscriptions, services and timers; a service must return the response that it is given."""
    return arguments[-1] if arguments else None
