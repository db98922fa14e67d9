"""The nodes of a run under launch, where launch and launch_ros are installed."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

from dmpcrl_ros.bringup import NodeSpec
from dmpcrl_ros.cli.processes import ProcessDied

_REFRESH = 0.2  # s between two looks at the progress


def launch_is_installed() -> bool:
    """Whether ROS 2's launch and launch_ros can be imported."""
    return find_spec('launch') is not None and find_spec('launch_ros') is not None


def run_under_launch(nodes: Sequence[NodeSpec], refresh: Callable[[], None], *, verbose: bool) -> None:
    """Run the nodes until the monitor ends; launch takes the signals, so it has the main thread.

    Args:
        nodes: of the run.
        refresh: called several times a second in another thread.
        verbose: show everything that they say.

    Raises:
        ProcessDied: another node ended first.
    """
    from launch.actions import RegisterEventHandler
    from launch.event_handlers import OnProcessExit

    from dmpcrl_ros.launching import launch_actions
    from launch import LaunchDescription, LaunchService

    ended: list[tuple[str, int]] = []
    monitor = next(node.executable for node in nodes if node.name == 'monitor')
    watch = RegisterEventHandler(OnProcessExit(
        on_exit=lambda event, context: ended.append((event.process_name, event.returncode))))
    service = LaunchService(noninteractive=True)
    service.include_launch_description(
        LaunchDescription([watch, *launch_actions(list(nodes), 'screen' if verbose else 'log')]))
    with _repeated(refresh):
        service.run()
    if not ended:
        raise KeyboardInterrupt
    name, code = ended[0]
    if not name.startswith(monitor) or code != 0:
        raise ProcessDied(f'{name} ended first, with exit code {code}; the logs of launch have its last words')


@contextmanager
def _repeated(refresh: Callable[[], None]) -> Iterator[None]:
    """Call `refresh` periodically in another thread, and once more at the end."""
    finished = threading.Event()

    def keep_refreshing() -> None:
        while not finished.wait(_REFRESH):
            refresh()

    thread = threading.Thread(target=keep_refreshing, daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()
        refresh()
