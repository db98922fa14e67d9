"""One agent of distributed MPC: acts, agrees with its neighbours on what it saw, and learns if it has a learner."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from dmpcrl_ros.core.agent import Observation, SnapshotError, StepProgram, StepReport
from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.exchange import Act, ExchangeTimeout, Protocol
from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.methods.learner import Explorer, Learner, Transition, Update
from dmpcrl_ros.methods.method import Metric
from dmpcrl_ros.mpc.admm import Admm, AdmmReport
from dmpcrl_ros.mpc.evaluation import Evaluation, evaluate
from dmpcrl_ros.mpc.interface import Mpc, Solution
from dmpcrl_ros.mpc.parametric_mpc import Sensitivities
from dmpcrl_ros.mpc.qp import QpFailure

_SAME = 1e-9  # relative to the action: what was scaled for an actuator and back is still the same

METRICS = (
    Metric(name='value', meaning='V(s) of the whole network, agreed by consensus'),
    Metric(name='td_error', meaning='TD error of the transition that ended in this step', column='ended'),
    Metric(name='cost', meaning='stage cost of the network in that transition'),
    Metric(name='explored', meaning='whether the agent perturbed its objective', column='begun', flag=True),
    Metric(name='admm_iterations', meaning='iterations of ADMM until the action'),
    Metric(name='primal_residual', meaning='of ADMM: copies of this agent against the averages'),
    Metric(name='dual_residual', meaning='of ADMM: change of the averages'),
    Metric(name='kkt_residual', meaning='of the local problem: largest violation of its optimality conditions'))


@dataclass(frozen=True)
class Decision:
    """What an agent decided in a step, and from what.

    Args:
        observation: of the step.
        policy: evaluation of V(s).
        action: (n_u,), to be applied.
        explored: whether this agent perturbed its objective.
        anyone_explores: whether some agent did.
    """

    observation: Observation
    policy: Evaluation
    action: np.ndarray
    explored: bool
    anyone_explores: bool


@dataclass(frozen=True)
class Agreement:
    """What all agents agreed on about the transition that ended.

    Args:
        value: V(s) of the network.
        cost: stage cost of the network.
        td_error: delta; 0 where it was not evaluated.
        evaluated: whether every agent has the whole transition, and nobody holds learning.
        fault: why it was not evaluated, where it should have been.
    """

    value: float
    cost: float
    td_error: float
    evaluated: bool
    fault: str


@dataclass(frozen=True)
class _Memory:
    """What a transition needs of the step in which it began: the action, this agent's part of Q(s, a), derivatives."""

    step: int
    episode: int
    action: np.ndarray
    q_value: float
    gradient: np.ndarray
    hessian: np.ndarray | None


class MpcAgent:
    """Agent i of Algorithm 2 of paper 001; without a learner, of the MPC that it is compared with.

    When nobody explores and theta stays, the executed action is the policy's own and Q(s, a) = V(s): one ADMM run
    serves both. The parts of V, Q and the stage cost travel in one consensus run; whether all of them are valid is
    agreed exactly, so that a transition is learned from by all agents or by none. The network without neighbours (one
    agent) is the centralised controller.

    Args:
        mpc: problem of the agent.
        admm: agreement with the neighbours on trajectories.
        consensus: agreement over the network.
        discount: gamma.
        input_lower: (n_u,), to which the solver's rounding is clipped.
        input_upper: (n_u,).
        safe_input: (n_u,), where there is no decision.
        fallback_steps: number of steps in a row in which the last plan is followed instead, as far as it reaches.
        learner: None to act without learning.
        exploration: None to follow the policy.
    """

    def __init__(self, *, mpc: Mpc, admm: Admm, consensus: Consensus, discount: float, input_lower: np.ndarray,
                 input_upper: np.ndarray, safe_input: np.ndarray, fallback_steps: int, learner: Learner | None = None,
                 exploration: Explorer | None = None):
        self.mpc = mpc
        self.admm = admm
        self.consensus = consensus
        self.learner = learner
        self.exploration = exploration
        self.updates = 0
        self._discount = discount
        self._input_lower, self._input_upper = input_lower, input_upper
        self._safe_input, self._fallback_steps = safe_input, fallback_steps
        self._initial_theta = mpc.theta
        self.begin_run()

    @property
    def layout(self) -> ParameterLayout:
        """Names of the slices of theta."""
        return self.mpc.layout

    @property
    def theta(self) -> np.ndarray:
        """Parameters (p,), read-only: assign a new vector to change them.

        Raises (on assignment):
            QpFailure: the problem has no solution with these parameters; the old ones stay in force.
        """
        return self.mpc.theta

    @theta.setter
    def theta(self, theta: np.ndarray) -> None:
        self.mpc.theta = theta

    def reset(self) -> None:
        """Forget everything learned: initial parameters, no memory."""
        self.begin_run()
        self.mpc.theta, self.updates = self._initial_theta, 0

    def begin_run(self) -> None:
        """Forget what belongs to the run before; the parameters stay."""
        self.admm.reset()
        self._holding = False  # learning was held by some agent in the step before
        self._memory: _Memory | None = None
        self._plan, self._fallbacks = self._safe_input[None], 0
        if self.learner:
            self.learner.reset()

    def snapshot(self) -> Mapping[str, np.ndarray]:
        """theta (p,), the number of updates, and what is being replayed."""
        learned = self.learner.snapshot() if self.learner else {}
        return {'theta': self.mpc.theta, 'updates': np.array(self.updates), **learned}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Continue from a snapshot.

        Raises:
            SnapshotError: an array is missing, of the wrong size or not finite, or the problem has no solution with
                these parameters; nothing has changed.
        """
        theta, updates = _array(arrays, 'theta', (self.layout.size,)), _array(arrays, 'updates', ())
        replayed = self.learner.read_snapshot(arrays, self.layout.size) if self.learner else ()
        try:
            self.mpc.theta = theta.astype(float)
        except QpFailure as failure:
            raise SnapshotError(str(failure)) from None
        self.begin_run()
        self.updates = int(updates)
        for transition in replayed:
            self.learner.observe(transition)

    def step(self, observation: Observation) -> StepProgram:
        """Act, agree on the transition that ended, learn from it, and remember the one that begins."""
        decision = None
        try:
            decision = yield from self._decide(observation)
            yield Act(decision.action, fallback=decision.policy.solution is None)
            if decision.policy.report.late:
                return self._give_up(decision, decision.policy.report.late)
            return (yield from self._learn(decision))
        except ExchangeTimeout as timeout:
            reason = str(timeout)
        if decision is None:
            yield Act(self.fallback(), fallback=True)
        return self._give_up(decision, reason)

    def fallback(self) -> np.ndarray:
        """Input (n_u,) when there is no fresh decision: the next of the last plan, for so many steps in a row, then the
        safe one."""
        self._fallbacks += 1
        self._plan = self._plan[1:]
        if self._fallbacks > self._fallback_steps or not len(self._plan):
            return self._safe_input
        return np.clip(self._plan[0], self._input_lower, self._input_upper)

    def evaluate(self, state: np.ndarray, action: np.ndarray | None = None,
                 exogenous: np.ndarray | None = None) -> Protocol[Evaluation]:
        """V(state) or, with an action, Q(state, action); see mpc.evaluation."""
        return evaluate(self.mpc, self.admm, state, action, exogenous)

    def _decide(self, observation: Observation) -> Protocol[Decision]:
        """Evaluate V(s), and perturb the own problem if it is this agent's turn to explore."""
        step, state, exogenous = observation.step, observation.state, observation.exogenous
        self._forget_replaced_action(observation)
        coins = self.exploration.coins(step) if self.exploration else np.zeros(1, dtype=bool)
        anyone_explores = bool(coins.any())
        explored = (anyone_explores and bool(coins[self.exploration.agent])
                    and not (observation.hold or self._holding))
        policy = yield from self.evaluate(state, exogenous=exogenous)
        solution = policy.solution
        if explored and solution:
            solution = self._perturbed(state, exogenous, self.exploration.direction(step)) or solution
        return Decision(observation, policy, self._executed(solution), explored, anyone_explores)

    def _learn(self, decision: Decision) -> Protocol[StepReport]:
        """Agree on the transition that ended in this step and learn from it.

        V(s') and Q(s, a) of one TD error must belong to the same theta: an update in between would feed back on itself.
        So Q of the transition that begins is evaluated after the update.
        """
        memory, self._memory = self._memory, None
        agreement = yield from self._agree(decision, memory)
        fault, visited, update = agreement.fault, decision.policy, Update()
        if self.learner:
            step = decision.observation.step
            if agreement.evaluated:
                self.learner.observe(Transition(step, agreement.td_error, memory.gradient, memory.hessian))
            if due := self.learner.due(step) and not self._holding:
                update = yield from self._update(step)
                fault = update.fault or fault
            if decision.anyone_explores or due:
                observation = decision.observation
                visited = yield from self.evaluate(observation.state, decision.action, observation.exogenous)
                fault = fault or visited.failure
        if visited.solution:
            self._memory = self._remember(decision, visited)
        return StepReport(updates=self.updates, fault=fault,
                          metrics=_metrics(decision) | _agreed_metrics(agreement) | update.metrics)

    def _agree(self, decision: Decision, memory: _Memory | None) -> Protocol[Agreement]:
        """Sum up V, Q and the stage cost over the network, and find out whether all agents have the transition."""
        policy, observation, n_agents = decision.policy, decision.observation, self.consensus.n_agents
        continues = memory is not None and (memory.step, memory.episode) == (observation.step - 1, observation.episode)
        whole = continues and not policy.failure
        valid = float(not policy.failure)
        own = [observation.stage_cost, memory.q_value, 1.0] if whole else [0.0] * 3
        value, valid, cost, q_value, samples = (
            yield from self.consensus.total(np.array([policy.value, valid, *own]))).tolist()
        # an average may be inexact: not to branch on
        lacking, self._holding = (yield from self.consensus.maximum([not whole, bool(observation.hold)])) > 0.5
        evaluated = not (lacking or self._holding)
        td_error = cost + self._discount * value - q_value if evaluated else 0.0
        fault = policy.failure or _void(valid, 'a valid evaluation', n_agents)
        if self._holding:
            fault = fault or observation.hold or 'learning is held by another agent'
        elif not (fault or evaluated) and (continues or samples > 0.5):  # no agent has it at the start of a run
            fault = _void(min(samples, n_agents - 1), 'the whole transition', n_agents)
        return Agreement(value, cost, td_error, evaluated, fault)

    def _update(self, step: int) -> Protocol[Update]:
        """Let the learner change theta: at all agents, or at none if the problem of one has no solution there."""
        before, update = self.mpc.theta, (yield from self.learner.update(step, self.mpc.theta))
        if update.fault:
            return update
        refusal = ''
        if update.theta is not None:
            try:
                self.mpc.theta = update.theta
            except QpFailure as failure:
                refusal = f'update refused: {failure}'
        refused = True
        try:
            (refused,) = yield from self.consensus.maximum([bool(refusal)])
        finally:  # when a neighbour is lost in these rounds, too
            if refused and self.mpc.theta is not before:
                self.mpc.theta = before
        if refused:
            return replace(update, fault=refusal or 'update refused by another agent')
        self.updates += update.theta is not None
        return update

    def _remember(self, decision: Decision, visited: Evaluation) -> _Memory | None:
        """What the next step needs to learn from the transition that begins here; None where a derivative is not
        finite, which makes the transition void for all. Without a learner no derivatives are needed."""
        derivatives = Sensitivities(np.zeros(0), None)
        if self.learner:
            derivatives = self.mpc.sensitivities(visited.solution, self.learner.second_order)
        numbers = [derivatives.gradient] if derivatives.hessian is None else [derivatives.gradient, derivatives.hessian]
        if not all(np.isfinite(each).all() for each in numbers):
            return None
        return _Memory(decision.observation.step, decision.observation.episode, decision.action, visited.value,
                       derivatives.gradient, derivatives.hessian)

    def _forget_replaced_action(self, observation: Observation) -> None:
        """Nothing is learned from an action that was limited or replaced on its way to the plant."""
        memory, applied = self._memory, observation.applied
        if memory is None or applied is None or memory.step != observation.step - 1:
            return
        scale = np.maximum(np.abs(memory.action), 1.0)
        if not (np.abs(applied - memory.action) <= _SAME * scale).all():
            self._memory = None

    def _perturbed(self, state: np.ndarray, exogenous: np.ndarray | None, direction: np.ndarray) -> Solution | None:
        """The local problem once more with the perturbed objective, at the averages and multipliers that were agreed:
        what the agent would rather do, without asking its neighbours."""
        try:
            self.mpc.begin(state, perturbation=direction, exogenous=exogenous)
            self.mpc.solve(self.admm.linear)
            return self.mpc.solution()
        except QpFailure:
            return None

    def _executed(self, solution: Solution | None) -> np.ndarray:
        if solution is None:
            return self.fallback()
        self._plan, self._fallbacks = self.mpc.inputs(solution), 0
        return np.clip(self._plan[0], self._input_lower, self._input_upper)

    def _give_up(self, decision: Decision | None, reason: str) -> StepReport:
        """Learn from neither of the transitions that this step belongs to."""
        self._memory = None
        return StepReport(updates=self.updates, fault=reason, metrics=_metrics(decision) if decision else {})


def _metrics(decision: Decision) -> dict[str, float]:
    policy = decision.policy
    return {'explored': float(decision.explored), **_residuals(policy.report),
            'kkt_residual': policy.solution.kkt_residual if policy.solution else 0.0}


def _residuals(report: AdmmReport) -> dict[str, float]:
    return {'admm_iterations': float(report.iterations), 'primal_residual': report.primal_residual,
            'dual_residual': report.dual_residual}


def _agreed_metrics(agreement: Agreement) -> dict[str, float]:
    evaluated = {'td_error': agreement.td_error} if agreement.evaluated else {}
    return {'value': agreement.value, 'cost': agreement.cost, **evaluated}


def _void(count: float, what: str, n_agents: int) -> str:
    return '' if count > n_agents - 0.5 else f'void: only {count:.0f} of {n_agents} agents had {what}'


def _array(arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name not in arrays:
        raise SnapshotError(f'it has no {name}')
    if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
        raise SnapshotError(f'its {name} is of the wrong size or not finite')
    return arrays[name]
