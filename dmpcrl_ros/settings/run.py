"""The settings of a run: one table from which the command line, the launch files and the node parameters are made."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.systems.files import load_scenario
from dmpcrl_ros.systems.linear.chain import VARIANTS, chain
from dmpcrl_ros.systems.power_grid.four_areas import power_grid
from dmpcrl_ros.systems.system import Scenario

LEARNERS = ('first-order', 'second-order', 'second-order-released', 'none')
CONTROLLERS = ('learning', 'nominal', 'scenario')
MODELS = ('inexact', 'exact')
CURVATURES = ('absolute', 'refuse', 'keep')


class SettingError(ValueError):
    """A setting has a value that it cannot take; the message names both."""


@dataclass(frozen=True)
class Setting:
    """Description of one setting. Its type is that of its default (str, int, float or bool).

    Args:
        minimum, maximum: inclusive bounds of a number. choices: the values a text may take; () for any.
    """

    name: str
    default: Any
    description: str
    unit: str = ''
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    def check(self, value: Any) -> None:
        """Raise SettingError if `value` is of the wrong type or out of range."""
        kind = type(self.default)
        fits = (isinstance(value, (int, float) if kind is float else kind)
                and (kind is bool or not isinstance(value, bool)))
        if not fits:
            raise SettingError(f'{self.name} must be a {kind.__name__}, not {value!r}')
        if self.choices and value not in self.choices:
            raise SettingError(f'{self.name} must be one of {", ".join(self.choices)}, not {value!r}')
        low, high = self.minimum, self.maximum
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            span = f'at least {low:g}' if high is None else f'from {low:g} to {high:g}'
            raise SettingError(f'{self.name} must be {span}{" " + self.unit if self.unit else ""}, not {value!r}')


def setting(default: Any, description: str, **details: Any) -> Any:
    """Field of a settings class with what `table` tells of it; `details` are further fields of Setting."""
    return field(default=default, metadata={'description': description, **details})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that decides the numbers of a run. A number of 0 where said takes the scenario's published value.

    Raises:
        SettingError: a value is of the wrong type or out of range.
    """

    scenario: str = setting('chain', 'chain, power_grid, or the path of a YAML network')
    variant: str = setting('001', 'published variant of the chain (001 or 000); a YAML network has none',
                           choices=VARIANTS)
    agents: int = setting(3, 'number of agents of the chain; more agents, more messages and a longer consensus',
                           minimum=1, maximum=100)
    seed: int = setting(1, 'of the noise, exploration and replay: the same seed gives the same run', minimum=0,
                         maximum=2**31 - 1)
    steps: int = setting(1000, 'control steps of the run', minimum=1, maximum=10**7)
    controller: str = setting('learning', 'learning (papers 001 and 000), or a baseline of paper 001, which learns '
                                          'nothing whatever the learner: nominal, the same MPC without offsets, or '
                                          'scenario, the mean cost of sampled models and disturbances',
                              choices=CONTROLLERS)
    model: str = setting('inexact', 'what a baseline knows: the first model of the scenario and how uncertain it is, '
                                    'or exact, the true dynamics', choices=MODELS)
    scenarios: int = setting(25, 'scenarios of the scenario controller, drawn once for a run; more are more robust, '
                                 'and time and messages grow with them', minimum=1, maximum=1000)
    learner: str = setting('first-order', 'how theta is updated: first-order (paper 001), second-order (paper 000), '
                                           'second-order-released with the weights of its released program, for '
                                           'comparison only; none runs the controllers as they are', choices=LEARNERS)
    learning_rate: float = setting(0.0, 'alpha; higher learns faster and may diverge; 0 takes the published value',
                                    minimum=0.0, maximum=1.0)
    curvature: str = setting('absolute', 'what second-order learning does with negative curvature: absolute reverses '
                                          'it, refuse learns nothing from such a batch, keep uses it as published, '
                                          'with steps that may go uphill', choices=CURVATURES)
    step_limit: float = setting(0.05, 'largest change of a parameter in one second-order update, relative to '
                                       'max(1, |theta|); a longer step of the network is shortened as a whole; 0 sets '
                                       'no limit, as published', minimum=0.0, maximum=1e6)
    bound_parameters: bool = setting(True, 'keep theta where the MPC is convex and penalties are positive; the papers '
                                            'set no bounds')
    learning: bool = setting(True, 'false runs the controllers as they are, whatever the learner: deployment')
    exploration: bool = setting(True, 'whether agents perturb their objective at random to learn from what happens')
    admm_iterations: int = setting(0, 'iterations of ADMM per evaluation (the most, with a tolerance); more are more '
                                       'exact and slower; 0 takes the published number', minimum=0, maximum=10000)
    rho: float = setting(0.0, 'penalty of ADMM; decides its speed of convergence; 0 takes the published value, for the '
                               'scenario controller a multiple of it',
                          minimum=0.0, maximum=1e6)
    admm_tolerance: float = setting(0.0, 'stop ADMM when all residuals of all agents are at or below it; 0 runs all '
                                          'iterations, as published', minimum=0.0, maximum=1.0)
    warm_start: bool = setting(True, 'begin ADMM where the evaluation before ended, as released, instead of at zero, '
                                     'as in Algorithm 1 of paper 001; more exact for the same iterations')
    fallback_steps: int = setting(10, 'for how many control steps on end an agent without a fresh decision follows its '
                                       'last plan, as far as that reaches, before it takes its safe input', minimum=0,
                                  maximum=1000)
    consensus: str = setting('finite-time', 'averaging: finite-time is exact in as few rounds as the graph allows, '
                                             'fixed has the weights of paper 001',
                             choices=('finite-time', 'fixed', 'metropolis'))
    consensus_rounds: int = setting(100, 'rounds of averaging per step with fixed or metropolis weights', minimum=1,
                                     maximum=100000)

    def __post_init__(self) -> None:
        for entry in table(type(self)):
            entry.check(getattr(self, entry.name))

    @property
    def learns(self) -> bool:
        """Whether controllers change in the run."""
        return self.learning and self.controller == 'learning' and self.learner != 'none'

    def common(self) -> 'Settings':
        """What all nodes of a run share, without what is one node's own."""
        return Settings(**{entry.name: getattr(self, entry.name) for entry in table(Settings)})

    def network(self) -> Scenario:
        """The scenario.

        Raises:
            NetworkError: there is no such scenario, or its file is wrong.
        """
        if self.scenario == 'chain':
            return chain(self.agents, self.variant)
        if self.scenario == 'power_grid':
            return power_grid()
        if self.scenario.endswith(('.yaml', '.yml')):
            return load_scenario(self.scenario)
        raise NetworkError(f'unknown scenario {self.scenario!r}: give chain, power_grid, or the path of a '
                           '.yaml network')


def table(kind: type = Settings, names: Sequence[str] = ()) -> list[Setting]:
    """The settings of a dataclass made with `setting`, in their order; only those named if any are."""
    return [Setting(f.name, f.default, **f.metadata) for f in fields(kind) if not names or f.name in names]
