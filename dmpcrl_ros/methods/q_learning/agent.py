"""One agent of learning distributed MPC: acts, agrees with its neighbours on what it saw, and learns."""

from dataclasses import dataclass, replace

import numpy as np

from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.exchange import Protocol
from dmpcrl_ros.core.report import Learned, StepReport
from dmpcrl_ros.methods.q_learning.exploration import Exploration
from dmpcrl_ros.methods.q_learning.learner import Learner, Update
from dmpcrl_ros.methods.q_learning.replay import Transition
from dmpcrl_ros.mpc.admm import Admm, AdmmReport
from dmpcrl_ros.mpc.interface import Mpc, Solution
from dmpcrl_ros.mpc.parametric_mpc import Sensitivities
from dmpcrl_ros.mpc.qp import QpFailure


@dataclass(frozen=True)
class Evaluation:
    """V(s) or Q(s, a) as one agent knows it after ADMM: its part of the value, its solution; none where it failed."""

    solution: Solution | None
    value: float
    report: AdmmReport

    @property
    def failure(self) -> str:
        """Why the local problem failed; empty when it did not."""
        return self.report.failure


@dataclass(frozen=True)
class _Memory:
    """What a transition needs of the step in which it began: this agent's part of Q(s, a) and its derivatives."""

    step: int
    episode: int
    q_value: float
    gradient: np.ndarray
    hessian: np.ndarray | None


class LearningAgent:
    """Agent i of Algorithm 2 of paper 001. A control step is `act` and then `learn`, both protocols.

    When nobody explores and theta stays, the executed action is the policy's own and Q(s, a) = V(s): one ADMM run
    serves both. The parts of V, Q and the stage cost travel in one consensus run; whether all of them are valid is
    agreed exactly, so that a transition is learned from by all agents or by none. The network without neighbours (one
    agent) is the centralised controller.

    Args:
        mpc: the agent's own problem.
        admm, consensus: its coordination.
        discount: gamma.
        input_lower, input_upper: (n_u,), to which the solver's rounding is clipped.
        safe_input: (n_u,), where no decision is to be had. fallback_steps: for how many steps on end the last plan is
            followed instead, as far as it reaches.
        learner: None to act without learning.
        exploration: None to follow the policy.
    """

    def __init__(self, *, mpc: Mpc, admm: Admm, consensus: Consensus, discount: float,
                 input_lower: np.ndarray, input_upper: np.ndarray, safe_input: np.ndarray, fallback_steps: int,
                 learner: Learner | None = None, exploration: Exploration | None = None):
        self.mpc = mpc
        self.admm = admm
        self.consensus = consensus
        self.learner = learner
        self._discount = discount
        self._input_lower, self._input_upper = input_lower, input_upper
        self._safe_input, self._fallback_steps = safe_input, fallback_steps
        self.held_back = ''  # why nothing is to be learned now; tells the whole network
        self._exploration = exploration
        self._initial_theta = mpc.theta
        self.reset()

    def reset(self) -> None:
        """Forget everything learned: initial parameters, no memory."""
        self.begin_run()
        self.mpc.theta, self.updates = self._initial_theta, 0

    def begin_run(self) -> None:
        """Forget what belongs to the run before; the parameters stay."""
        self.admm.reset()
        self.fell_back, self.late, self._holding = False, '', False
        self._memory: _Memory | None = None
        self._policy: Evaluation | None = None
        self._plan, self._fallbacks = self._safe_input[None], 0
        if self.learner:
            self.learner.reset()

    def learned(self) -> Learned:
        """What there is to be kept."""
        return Learned(self.mpc.theta, self.updates, tuple(self.learner.transitions()) if self.learner else ())

    def restore(self, learned: Learned) -> None:
        """Go on with what was kept.

        Raises:
            QpFailure: the problem has no solution with these parameters; nothing has changed.
        """
        self.mpc.theta = learned.theta
        self.begin_run()
        self.updates = learned.updates
        for transition in learned.transitions if self.learner else ():
            self.learner.observe(transition)

    def evaluate(self, state: np.ndarray, action: np.ndarray | None = None,
                 exogenous: np.ndarray | None = None) -> Protocol[Evaluation]:
        """V(state) or, with an action, Q(state, action), by ADMM (Algorithm 1 of paper 001), given what the agent is
        told of the step (see ParametricMpc.begin)."""
        try:
            self.mpc.begin(state, action, exogenous=exogenous)
            solve = self.mpc.solve
        except QpFailure as failure:
            solve = _always_raise(failure)
        report = yield from self.admm.run(solve)
        if report.failure:
            return Evaluation(None, 0.0, report)
        try:
            solution = self.mpc.solution()
        except QpFailure as failure:
            return Evaluation(None, 0.0, replace(report, failure=str(failure)))
        return Evaluation(solution, self.mpc.value(solution) + report.correction, report)

    def act(self, step: int, state: np.ndarray, exogenous: np.ndarray | None = None) -> Protocol[np.ndarray]:
        """Input (n_u,) for the state (n_x,) measured at this control step and the exogenous input (n_d,) that came with it."""
        self._policy = None
        coins = self._exploration.coins(step) if self._exploration else np.zeros(1, dtype=bool)
        self._anyone_explores = bool(coins.any())
        self._explored = (self._anyone_explores and bool(coins[self._exploration.agent])
                          and not (self.held_back or self._holding))
        self._policy = yield from self.evaluate(state, exogenous=exogenous)
        self.late = self._policy.report.late
        solution = self._policy.solution
        if self._explored and solution:
            solution = self._perturbed(state, exogenous, self._exploration.direction(step)) or solution
        self._state, self._exogenous = state, exogenous
        self._action = self._executed(solution)
        return self._action

    def fallback(self) -> np.ndarray:
        """Input (n_u,) when no fresh decision is to be had: the next of the last plan, for so many steps on end, then
        the safe one."""
        self._fallbacks += 1
        self._plan = self._plan[1:]
        if self._fallbacks > self._fallback_steps or not len(self._plan):
            return self._safe_input
        return np.clip(self._plan[0], self._input_lower, self._input_upper)

    def abandon(self) -> None:
        """The step was given up half-way: neither of its transitions will be learned from."""
        self._memory = None

    def void(self, fault: str) -> StepReport:
        """Report of a step that was given up."""
        report = self._policy.report if self._policy else AdmmReport(0, 0.0, 0.0, '')
        return StepReport(updates=self.updates, admm_iterations=report.iterations, fault=fault,
                          primal_residual=report.primal_residual, dual_residual=report.dual_residual)

    def learn(self, step: int, episode: int, stage_cost: float) -> Protocol[StepReport]:
        """Agree on the transition that ended in this step, learn from it, and remember the one that begins.

        V(s') and Q(s, a) of one TD error must belong to the same theta: an update in between would feed back on itself.
        So Q of the transition that begins is evaluated after the update.

        Args:
            stage_cost: L_i of the transition that ended.
        """
        memory, self._memory = self._memory, None
        policy, n_agents = self._policy, self.consensus.n_agents
        continues = memory is not None and (memory.step, memory.episode) == (step - 1, episode)
        whole = continues and not policy.failure
        own = np.array([policy.value, float(not policy.failure),
                        *([stage_cost, memory.q_value, 1.0] if whole else [0.0] * 3)])
        value, valid, cost, q_value, samples = (yield from self.consensus.total(own)).tolist()
        # an average may be inexact: not to branch on
        lacking, self._holding = (yield from self.consensus.maximum([not whole, bool(self.held_back)])) > 0.5
        evaluated = not (lacking or self._holding)
        td_error = cost + self._discount * value - q_value if evaluated else 0.0
        fault = policy.failure or _void(valid, 'a valid evaluation', n_agents)
        if self._holding:
            fault = fault or self.held_back or 'learning is held back by another agent'
        elif not (fault or evaluated) and (continues or samples > 0.5):  # nobody has it at the start of a run
            fault = _void(min(samples, n_agents - 1), 'the whole transition', n_agents)
        visited, update = policy, Update()
        if self.learner:
            if evaluated:
                self.learner.observe(Transition(step, td_error, memory.gradient, memory.hessian))
            if due := self.learner.due(step) and not self._holding:
                update = yield from self._update(step)
                fault = update.fault or fault
            if self._anyone_explores or due:
                visited = yield from self.evaluate(self._state, self._action, self._exogenous)
                fault = fault or visited.failure
        if visited.solution:
            self._memory = self._remember(step, episode, visited)
        return StepReport(
            value=value, td_error=td_error, cost=cost, evaluated=evaluated, explored=self._explored,
            updates=self.updates, **vars(update.safeguards), admm_iterations=policy.report.iterations,
            primal_residual=policy.report.primal_residual, dual_residual=policy.report.dual_residual,
            kkt_residual=policy.solution.kkt_residual if policy.solution else 0.0, fault=fault)

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

    def _remember(self, step: int, episode: int, visited: Evaluation) -> _Memory | None:
        """What the next step needs to learn from the transition that begins here; none where a derivative is no
        number, which makes the transition void for all. Who does not learn needs no derivatives."""
        derivatives = Sensitivities(np.zeros(0), None)
        if self.learner:
            derivatives = self.mpc.sensitivities(visited.solution, self.learner.second_order)
        numbers = [derivatives.gradient] if derivatives.hessian is None else [derivatives.gradient, derivatives.hessian]
        if not all(np.isfinite(each).all() for each in numbers):
            return None
        return _Memory(step, episode, visited.value, derivatives.gradient, derivatives.hessian)

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
        self.fell_back = solution is None
        if self.fell_back:
            return self.fallback()
        self._plan, self._fallbacks = self.mpc.inputs(solution), 0
        return np.clip(self._plan[0], self._input_lower, self._input_upper)


def _void(count: float, what: str, n_agents: int) -> str:
    return '' if count > n_agents - 0.5 else f'void: only {count:.0f} of {n_agents} agents had {what}'


def _always_raise(failure: QpFailure):
    def solve(linear: np.ndarray) -> np.ndarray:
        raise failure
    return solve
