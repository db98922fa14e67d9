"""What can be asked of an agent about what it has learned: services and checkpoints."""

from collections.abc import Callable
from pathlib import Path

from rclpy.node import Node
from std_srvs.srv import Trigger

from dmpcrl_ros.methods.q_learning.agent import LearningAgent
from dmpcrl_ros.mpc.qp import QpFailure
from dmpcrl_ros.nodes.step_control import answer
from dmpcrl_ros.recording.checkpoints import Checkpoint, CheckpointError, CheckpointFolder
from dmpcrl_ros.settings.run import SettingError
from dmpcrl_ros.systems.system import Scenario

_NO_FOLDER = 'parameter checkpoints names no folder'


class CheckpointManager:
    """Saves and restores what a controller learns. What changes the controller is done between two steps: services are
    answered in the midst of them.

    Args:
        node: of the agent, with its settings. controller: of the agent. network: of both.
    """

    def __init__(self, node: Node, controller: LearningAgent, network: Scenario):
        settings, index = node.settings, network.index(node.settings.agent)
        self._log, self._controller, self._every = node.get_logger(), controller, settings.checkpoint_every
        self._folder = CheckpointFolder(Path(settings.checkpoints), network.name, settings.agent,
                                        network.parameters(index)[0]) if settings.checkpoints else None
        self._agent, self._learning, self._where = settings.agent, settings.learning, (0, 0)
        self._learned = self._saved = controller.learned()
        self._tried = self._saved.updates
        self._due: list[Callable[[], None]] = []
        self._recovered_run = 0
        self.trouble, self.learning_stopped = '', ''
        for name, service in (('save', self._on_save), ('load', self._on_load), ('start', self._on_start),
                             ('stop', self._on_stop), ('reset', self._on_reset)):
            node.create_service(Trigger, f'~/{name}', service)

    def recover(self) -> None:
        """Go on from the newest checkpoint, if there is one.

        Raises:
            SettingError: there is none that can be used, and nothing else is to be learned.
        """
        if checkpoint := self._load():
            self._restore(checkpoint)
        elif self._folder and not self._learning:
            raise SettingError(f'checkpoints holds none that can be used by {self._agent}: {self._folder.newest}; '
                               'without learning there is nothing to begin with but the untrained controller')

    def begin_run(self, run: int) -> None:
        """A run of the plant has begun. With checkpoints an agent goes on from what it has learned, and after a restart
        in the midst of a run with its memory, too; otherwise it begins with the first parameters."""
        if not self._folder:
            self._controller.reset()
        elif run != self._recovered_run:
            self._controller.begin_run()
        self._recovered_run = 0

    def serve(self) -> None:
        """Do what was asked for meanwhile; not to be called in the midst of a step."""
        while self._due:
            self._due.pop(0)()

    def keep(self, run: int, step: int) -> None:
        """A step has ended: remember what was learned, and save it if it is time to."""
        self._where, self._learned = (run, step), self._controller.learned()
        if self._every and self._learned.updates >= self._tried + self._every:
            self._save()
        self.serve()

    def save_if_changed(self) -> None:
        """At the end: what has been learned since the last checkpoint is not to be lost."""
        if self._learned.updates != self._saved.updates:
            self._save()

    def _save(self) -> str:
        """Save what was learned until the last step; why not, if not."""
        if not self._folder:
            return _NO_FOLDER
        self._tried = self._learned.updates  # also where it fails: once for so many updates is often enough to say so
        try:
            self._folder.save(Checkpoint(self._learned, *self._where))
        except CheckpointError as error:
            self.trouble = str(error)
            self._log.error(self.trouble)
            return self.trouble
        self._saved, self.trouble = self._learned, ''
        return ''

    def _load(self) -> Checkpoint | None:
        if not self._folder:
            return None
        checkpoint, refused = self._folder.load()
        for reason in refused:
            self._log.error(reason)
        return checkpoint

    def _restore(self, checkpoint: Checkpoint) -> None:
        try:
            self._controller.restore(checkpoint.learned)
        except QpFailure as failure:
            self._log.error(f'checkpoint {self._folder.newest} refused: {failure}')
            return
        self._learned = self._saved = checkpoint.learned
        self._tried = self._saved.updates
        self._recovered_run = checkpoint.run
        self._log.info(f'{self._agent} goes on from {checkpoint.learned.updates} updates')

    def _reset(self) -> None:
        self._controller.reset()
        self._learned = self._saved = self._controller.learned()
        self._tried = 0

    def _on_save(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        trouble = self._save()
        return answer(response, not trouble, trouble or f'{self._saved.updates} updates: {self._folder.newest}')

    def _on_load(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        checkpoint = self._load()
        if not checkpoint:
            return answer(response, False, 'there is no checkpoint that can be used' if self._folder else _NO_FOLDER)
        self._due.append(lambda: self._restore(checkpoint))
        return answer(response, True, f'{checkpoint.learned.updates} updates, from the next step on')

    def _on_start(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.learning_stopped = ''
        return answer(response, True, 'learning, when all agents do')

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.learning_stopped = f'learning is stopped at {self._agent}'
        return answer(response, True, f'{self.learning_stopped}, and so in the whole network')

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._due.append(self._reset)
        return answer(response, True, 'the first parameters, from the next step on')
