"""What the tests of the core share: an independent quadratic programme, a directed network, small drivers."""
from dataclasses import dataclass

import casadi as ca
import numpy as np

from dmpcrl_ros.methods.build import central_agent, distributed_agent
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.lockstep import run_lockstep
from dmpcrl_ros.systems.linear.description import from_description
from dmpcrl_ros.systems.linear.formulation import parameter_layout


@dataclass
class Reference:
    """Solution of the dense programme: value, u (N, m) stacked over agents, and per agent the states (N+1, n),
    the multipliers of the dynamics (N, n) and of the state bounds (stages, n), and the slack (stages, n)."""

    value: float
    inputs: np.ndarray
    states: list
    dynamics: list
    lower: list
    upper: list
    slack: list


def reference(network, thetas, states, actions=None):
    """V(s), or Q(s, a) with actions, of the whole network by a dense programme with explicit slack variables.

    Written from papers 001 and 000, not from the package. Variables per agent, stage by stage: x(0..N),
    u(0..N-1), sigma. The active set comes from qpOASES; the numbers from the linear equations that it
    implies, and the result is returned only if it meets all optimality conditions.
    """
    qp = _dense(network, thetas, states, actions)
    v, dual_a, dual_x, value = _optimum(qp)
    parts = qp['parts']
    return Reference(
        value=value,
        inputs=np.hstack([v[p['u']] for p in parts]),
        states=[v[p['x']] for p in parts],
        dynamics=[dual_a[p['dynamics']] for p in parts],
        lower=[dual_a[p['lower']] for p in parts],
        upper=[dual_a[p['upper']] for p in parts],
        slack=[v[p['sigma']] for p in parts])


def scenario_reference(network, scenarios, states):
    """Value and inputs (N, m) of the mean cost of scenarios, each the thetas of all agents, with the same inputs: their
    dense programmes side by side, tied together by equations."""
    qps = [_dense(network, thetas, states, None) for thetas in scenarios]
    n, count = len(qps[0]['q']), len(qps)
    u = np.concatenate([p['u'].ravel() for p in qps[0]['parts']])
    ties = np.zeros(((count - 1) * len(u), count * n))
    for s in range(1, count):
        rows = (s - 1) * len(u) + np.arange(len(u))
        ties[rows, u], ties[rows, s * n + u] = -1.0, 1.0
    joined = {name: np.concatenate([qp[name] for qp in qps]) for name in ('q', 'lba', 'uba', 'lbx', 'ubx')}
    joined |= {name: np.vstack([np.hstack([qp[name] * (s == t) for t in range(count)]) for s, qp in enumerate(qps)])
               for name in ('H', 'A')}
    joined['H'], joined['q'] = joined['H'] / count, joined['q'] / count
    joined['A'] = np.vstack([joined['A'], ties])
    joined |= {name: np.concatenate([joined[name], np.zeros(len(ties))]) for name in ('lba', 'uba')}
    joined['constant'] = np.mean([qp['constant'] for qp in qps])
    v, _, _, value = _optimum(joined)
    return value, np.hstack([v[p['u']] for p in qps[0]['parts']])


def _optimum(qp):
    """Solution, multipliers of rows and of variables, and value of a dense programme."""
    H, q, A, lba, uba, lbx, ubx = (qp[name] for name in ('H', 'q', 'A', 'lba', 'uba', 'lbx', 'ubx'))
    solver = ca.conic('reference', 'qpoases', {'h': ca.DM(H).sparsity(), 'a': ca.DM(A).sparsity()},
                      {'printLevel': 'none', 'sparse': False})
    found = solver(h=H, g=q, a=A, lba=lba, uba=uba, lbx=lbx, ubx=ubx)
    v, dual_a, dual_x = (np.asarray(found[name]).ravel() for name in ('x', 'lam_a', 'lam_x'))
    v, dual_a, dual_x = _polish(H, q, A, lba, uba, lbx, ubx, v, dual_a, dual_x)
    return v, dual_a, dual_x, float(0.5 * v @ H @ v + q @ v + qp['constant'])


def _dense(network, thetas, states, actions):
    s = network.structure
    N, gamma, k0, of_000 = s.horizon, s.discount, s.first_bounded_stage, s.learn_weights
    stages = N + 1 - k0
    parts, n = [], 0
    for data in network.local:
        part = {}
        for name, rows, columns in (('x', N + 1, data.n_states), ('u', N, data.n_inputs),
                                    ('sigma', stages, data.n_states)):
            part[name] = n + np.arange(rows * columns).reshape(rows, columns)
            n += rows * columns
        parts.append(part)
    H, q, constant = np.zeros((n, n)), np.zeros(n), 0.0
    lbx, ubx = np.full(n, -np.inf), np.full(n, np.inf)
    rows, lba, uba = [], [], []
    for i, (data, theta, part) in enumerate(zip(network.local, thetas, parts, strict=True)):
        t = parameter_layout(data, s).unpack(theta)
        x, u, sigma = part['x'], part['u'], part['sigma']
        constant += t['V0'][0]
        w = t['w'] if of_000 else data.violation_weight
        for k in range(N):
            q[np.r_[x[k], u[k]]] += t['f']
        for k in range(N + 1 if s.terminal_cost else N):
            weight = data.state_weight * (t['Q'] ** 2 if of_000 else 1.0)
            H[x[k], x[k]] += gamma**k * weight            # 1/2 v'Hv
        for k in range(N):
            weight = data.input_weight * (t['R'] ** 2 if of_000 else 1.0)
            H[u[k], u[k]] += gamma**k * weight
        for k in range(stages):
            q[sigma[k]] += 0.5 * gamma**k * w
        lbx[sigma] = 0.0
        lbx[u], ubx[u] = data.input_lower, data.input_upper
        lbx[x[0]] = ubx[x[0]] = states[i]
        if actions is not None:
            lbx[u[0]] = ubx[u[0]] = actions[i]
        part['dynamics'] = len(rows) + np.arange(N * data.n_states).reshape(N, -1)
        for k in range(N):
            for r in range(data.n_states):
                row = np.zeros(n)
                row[x[k]] += t['A'][r]
                row[u[k]] += t['B'][r]
                for j in data.parents:
                    coupling = t['ac'][0] * data.coupling[j] if s.scalar_coupling else t[f'A_{j}']
                    row[parts[j]['x'][k]] += coupling[r]
                row[x[k + 1, r]] -= 1.0
                rows.append(row)
                lba.append(-t['b'][r])
                uba.append(-t['b'][r])
        for name, sign, bound in (('lower', -1.0, data.state_lower + t['x_lb']),
                                  ('upper', 1.0, data.state_upper + t['x_ub'])):
            part[name] = len(rows) + np.arange(stages * data.n_states).reshape(stages, -1)
            for k in range(stages):                       # sign x - sigma <= sign bound
                for r in range(data.n_states):
                    row = np.zeros(n)
                    row[x[k + k0, r]], row[sigma[k, r]] = sign, -1.0
                    rows.append(row)
                    lba.append(-np.inf)
                    uba.append(sign * bound[r])
    return {'H': H, 'q': q, 'constant': constant, 'A': np.array(rows), 'lba': np.array(lba),
            'uba': np.array(uba), 'lbx': lbx, 'ubx': ubx, 'parts': parts}


def _polish(H, q, A, lba, uba, lbx, ubx, v, dual_a, dual_x):
    """Solve the equations of the active set and insist on the optimality conditions."""
    n = len(q)
    G, low, high = np.vstack([A, np.eye(n)]), np.r_[lba, lbx], np.r_[uba, ubx]
    dual = np.r_[dual_a, dual_x]
    active = (np.abs(dual) > 1e-9) | (low == high)
    at = np.where(dual > 0, high, low)
    kkt = np.block([[H, G[active].T], [G[active], np.zeros((active.sum(),) * 2)]])
    solved = np.linalg.lstsq(kkt, np.r_[-q, at[active]], rcond=None)[0]
    solved -= np.linalg.lstsq(kkt, kkt @ solved - np.r_[-q, at[active]], rcond=None)[0]
    v = solved[:n]
    dual = np.zeros(len(dual))
    dual[active] = solved[n:]
    value = G @ v
    bounded = low < high
    scale = 1.0 + np.abs(dual).max()
    misses = {'stationarity': np.abs(H @ v + q + G.T @ dual).max() / scale,
              'feasibility': np.maximum(value - high, low - value).max(),
              'sign at the upper bound': -np.where(bounded & (value > low + 1e-9), dual, 0.0).min() / scale,
              'sign at the lower bound': np.where(bounded & (value < high - 1e-9), dual, 0.0).max() / scale}
    assert all(miss < 1e-9 for miss in misses.values()), f'the reference itself is not optimal: {misses}'
    return v, dual[:len(A)], dual[len(A):]


# A directed network of unequal agents: tank uses heater, heater uses valve, valve uses tank. One state has no
# upper bound, one no lower bound; one agent has two inputs.
DIRECTED = {
    'name': 'directed',
    'mpc': {'horizon': 6, 'discount': 0.95},
    'learning': {'rho': 0.5, 'admm_iterations': 50, 'learning_rate': 1e-4, 'update_every': 2,
                 'exploration_probability': 0.5, 'exploration_strength': 0.3},
    'agents': [
        {'name': 'tank', 'initial_state': [0.4, -0.3],
         'dynamics': {'A': [[0.9, 0.2], [-0.1, 0.8]], 'B': [[0.1], [0.5]],
                      'neighbours': {'heater': [[0.1, 0.0, -0.1], [0.0, 0.05, 0.0]]}},
         'model': {'A': [[0.95, 0.15], [0.0, 0.8]], 'B': [[0.0], [0.4]],
                   'neighbours': {'heater': [[0.05, 0.0, 0.0], [0.0, 0.05, 0.02]]}},
         'noise': {'lower': [-0.05, 0.0], 'upper': [0.05, 0.02]},
         'bounds': {'state': {'lower': [-0.3, -0.5], 'upper': [0.5, 0.6]},
                    'input': {'lower': [-0.6], 'upper': [0.8]}},
         'cost': {'state': [1.0, 2.0], 'input': [0.3], 'violation': [8.0, 5.0]}},
        {'name': 'valve', 'initial_state': [0.5],
         'dynamics': {'A': [[1.05]], 'B': [[0.4, -0.2]], 'neighbours': {'tank': [[0.1, -0.1]]}},
         'noise': {'lower': [-0.03], 'upper': [0.03]},
         'bounds': {'state': {'upper': [0.55]}, 'input': {'lower': [-0.5, -0.4], 'upper': [0.5, 0.4]}},
         'cost': {'state': [1.5], 'input': [0.4, 0.8], 'violation': [5.0]}},
        {'name': 'heater', 'initial_state': [0.2, 0.3, -0.2],
         'dynamics': {'A': [[0.8, 0.1, 0.0], [0.0, 0.9, 0.2], [0.1, 0.0, 0.7]], 'B': [[0.2], [0.0], [0.5]],
                      'neighbours': {'valve': [[0.1], [0.0], [-0.15]]}},
         'noise': {'lower': [0.0, 0.0, -0.02], 'upper': [0.0, 0.02, 0.02]},
         'bounds': {'state': {'lower': [-0.1, -0.5, -0.4], 'upper': [float('inf'), 0.4, 0.4]},
                    'input': {'lower': [-0.7], 'upper': [0.7]}},
         'cost': {'state': [0.5, 1.0, 1.0], 'input': [0.5], 'violation': [6.0, 6.0, 4.0]},
         'parameters': {'x_lb': [0.05, 0.0, 0.0], 'f': [0.02, 0.0, 0.0, -0.01]}},
    ],
}


def directed_network():
    return from_description(DIRECTED)


def agents_of(network, thetas=None, **settings):
    """The distributed agents of a network; `settings` as of Settings, ADMM starting cold if they do not say."""
    settings = Settings(**({'warm_start': False} | settings))
    agents = [distributed_agent(network, i, settings) for i in range(network.n_agents)]
    for agent, theta in zip(agents, thetas or [], strict=False):
        agent.mpc.theta = theta
    return agents


def central_of(network, thetas=None, **settings):
    """The centralised twin."""
    agent = central_agent(network, Settings(**settings))
    if thetas:
        agent.mpc.theta = np.concatenate(thetas)
    return agent


def initial_thetas(network):
    return [agent.mpc.theta for agent in agents_of(network)]


def perturbed(thetas, draw, scale):
    """Parameters near those given: each moved by about `scale` of its size, and of one."""
    return [theta + scale * (1.0 + np.abs(theta)) * draw.standard_normal(theta.size) for theta in thetas]


def split(vector, parts):
    return [vector[part] for part in parts]


def evaluate(agents, states, actions=None):
    """Evaluations of V(s), or of Q(s, a), by all agents; none may fail."""
    given = [None] * len(agents) if actions is None else actions
    found, _ = run_lockstep([agent.evaluate(state, action)
                             for agent, state, action in zip(agents, states, given, strict=True)])
    assert not any(evaluation.failure for evaluation in found), [evaluation.failure for evaluation in found]
    return found


def value_of(evaluations):
    return sum(evaluation.value for evaluation in evaluations)


def gradient_of(agents, evaluations):
    """Derivative of the value in the stacked parameters."""
    return np.concatenate([agent.mpc.sensitivities(evaluation.solution).gradient
                           for agent, evaluation in zip(agents, evaluations, strict=True)])


def action_of(agents, evaluations):
    return np.concatenate([agent.mpc.action(evaluation.solution)
                           for agent, evaluation in zip(agents, evaluations, strict=True)])


def relative(found, expected):
    """Largest error, relative to the largest element expected where that is above one."""
    return np.abs(np.asarray(found) - expected).max() / max(1.0, np.abs(expected).max())


def altered_inbox(program, kind, number, value):
    """The program with `value` in the first place of the messages that reach it in the given round of a kind."""
    seen = 0
    try:
        request = next(program)
        while True:
            inbox = yield request
            if request.kind == kind:
                if seen == number:
                    inbox = {sender: message.copy() for sender, message in inbox.items()}
                    for message in inbox.values():
                        message.flat[0] = value
                seen += 1
            request = program.send(inbox)
    except StopIteration as end:
        return end.value
