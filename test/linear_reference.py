# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The MPC of a linear network written down once more from papers 001 and 000, as a dense programme."""

from dataclasses import dataclass

import numpy as np
from dense_programme import optimum

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
    u(0..N-1), sigma.
    """
    qp, parts, constant = _dense(network, thetas, states, actions)
    v, dual_a, value = optimum(**qp)
    return Reference(
        value=value + constant,
        inputs=np.hstack([v[p['u']] for p in parts]),
        states=[v[p['x']] for p in parts],
        dynamics=[dual_a[p['dynamics']] for p in parts],
        lower=[dual_a[p['lower']] for p in parts],
        upper=[dual_a[p['upper']] for p in parts],
        slack=[v[p['sigma']] for p in parts],
    )


def scenario_reference(network, scenarios, states):
    """Value and inputs (N, m) of the mean cost of scenarios, each the thetas of all agents, with the same inputs: their
    dense programmes side by side, tied together by equations."""
    qps, (parts, *_), constants = zip(*(_dense(network, thetas, states, None) for thetas in scenarios), strict=True)
    n, count = len(qps[0]['q']), len(qps)
    u = np.concatenate([part['u'].ravel() for part in parts])
    ties = np.zeros(((count - 1) * len(u), count * n))
    for s in range(1, count):
        rows = (s - 1) * len(u) + np.arange(len(u))
        ties[rows, u], ties[rows, s * n + u] = -1.0, 1.0
    joined = {name: np.concatenate([qp[name] for qp in qps]) for name in ('q', 'lba', 'uba', 'lbx', 'ubx')}
    joined |= {
        name: np.vstack([np.hstack([qp[name] * (s == t) for t in range(count)]) for s, qp in enumerate(qps)])
        for name in ('H', 'A')
    }
    joined['H'], joined['q'] = joined['H'] / count, joined['q'] / count
    joined['A'] = np.vstack([joined['A'], ties])
    joined |= {name: np.concatenate([joined[name], np.zeros(len(ties))]) for name in ('lba', 'uba')}
    v, _, value = optimum(**joined)
    return value + np.mean(constants), np.hstack([v[part['u']] for part in parts])


def _dense(network, thetas, states, actions):
    """Arguments of `optimum`, the variables of each agent, and the constant."""
    s = network.structure
    N, gamma, k0, of_000 = s.horizon, s.discount, s.first_bounded_stage, s.learn_weights
    stages = N + 1 - k0
    parts, n = [], 0
    for data in network.local:
        part = {}
        for name, rows, columns in (
            ('x', N + 1, data.n_states),
            ('u', N, data.n_inputs),
            ('sigma', stages, data.n_states),
        ):
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
            H[x[k], x[k]] += gamma**k * weight  # 1/2 v'Hv
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
        for name, sign, bound in (
            ('lower', -1.0, data.state_lower + t['x_lb']),
            ('upper', 1.0, data.state_upper + t['x_ub']),
        ):
            part[name] = len(rows) + np.arange(stages * data.n_states).reshape(stages, -1)
            for k in range(stages):  # sign x - sigma <= sign bound
                for r in range(data.n_states):
                    row = np.zeros(n)
                    row[x[k + k0, r]], row[sigma[k, r]] = sign, -1.0
                    rows.append(row)
                    lba.append(-np.inf)
                    uba.append(sign * bound[r])
    return (
        {'H': H, 'q': q, 'A': np.array(rows), 'lba': np.array(lba), 'uba': np.array(uba), 'lbx': lbx, 'ubx': ubx},
        parts,
        constant,
    )
