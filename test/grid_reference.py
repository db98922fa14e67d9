# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The power grid written down once more from the equations: dynamics by integration, the MPC as a dense programme."""

import numpy as np
from dense_programme import optimum
from scipy.integrate import solve_ivp
from scipy.linalg import expm

H, R, D = (12, 10, 8, 8), (0.05, 0.0625, 0.08, 0.08), (0.7, 0.9, 0.9, 0.7)
T_T, T_G, U_MAX = (0.65, 0.4, 0.3, 0.6), (0.1,) * 4, (0.2, 0.1, 0.3, 0.1)
TRUE = {(0, 1): 4.0, (1, 0): 4.0, (1, 2): 2.0, (2, 1): 2.0, (2, 3): 2.0, (3, 2): 2.0}
FIRST = {(0, 1): 4.767508, (1, 0): 3.262063, (1, 2): 2.746004, (2, 1): 3.338503, (2, 3): 0.073153, (3, 2): 3.000577}


def integrate(derivative, start, time=1.0):
    found = solve_ivp(derivative, (0.0, time), start, method='DOP853', rtol=1e-13, atol=1e-15)
    return found.y[:, -1]


def area_rate(i, x, u, load, p):
    """dx/dt of area i; p maps each neighbour to (P_ij, its angle)."""
    phi, omega, power, valve = x
    flow = sum(coefficient * (phi - angle) for coefficient, angle in p.values())
    return np.array(
        [
            omega,
            (power - load - D[i] * omega - flow) / (2 * H[i]),
            (valve - power) / T_T[i],
            (u - valve - omega / R[i]) / T_G[i],
        ]
    )


def grid_step(x, u, load, coefficients=TRUE, time=1.0):
    """State (16,) after a step of the whole network with references and loads held."""

    def derivative(_, state):
        parts = state.reshape(4, 4)
        return np.concatenate(
            [
                area_rate(
                    i, parts[i], u[i], load[i], {j: (p, parts[j, 0]) for (a, j), p in coefficients.items() if a == i}
                )
                for i in range(4)
            ]
        )

    return integrate(derivative, x, time)


def area_model(i, coefficients, time=1.0):
    """A, B, L and the first column of each A_j, column by column of the integrated response."""

    def response(x, u, load, angles):
        p = {j: (coefficient, angles.get(j, 0.0)) for j, coefficient in coefficients.items()}
        return integrate(lambda _, state: area_rate(i, state, u, load, p), x, time)

    zero = np.zeros(4)
    a = np.column_stack([response(column, 0.0, 0.0, {}) for column in np.eye(4)])
    return (
        a,
        response(zero, 1.0, 0.0, {}),
        response(zero, 0.0, 1.0, {}),
        {j: response(zero, 0.0, 0.0, {j: 1.0}) for j in coefficients},
    )


def exact_model(i, coefficients):
    """The same by one exponential of the rate written as a matrix."""
    zero, generator = np.zeros(4), np.zeros((6 + len(coefficients),) * 2)
    columns = [(x, 0.0, 0.0, {}) for x in np.eye(4)] + [(zero, 1.0, 0.0, {}), (zero, 0.0, 1.0, {})]
    columns += [(zero, 0.0, 0.0, {j: 1.0}) for j in coefficients]
    generator[:4] = np.column_stack(
        [
            area_rate(i, x, u, load, {j: (p, angles.get(j, 0.0)) for j, p in coefficients.items()})
            for x, u, load, angles in columns
        ]
    )
    found = expm(generator)[:4]
    return found[:, :4], found[:, 4], found[:, 5], dict(zip(coefficients, found[:, 6:].T, strict=True))


def unpacked(theta, neighbours):
    """Names for the parameters in their published order: 29 and one for each neighbour."""
    cuts = np.split(theta, np.cumsum([1, 1, 1, 4, 4, 1, 16, 1]))
    return dict(zip(('V0', 'lb', 'ub', 'b', 'fx', 'fu', 'Q', 'Qu'), cuts, strict=False)) | {
        'P': dict(zip(neighbours, cuts[-1].tolist(), strict=True))
    }


def dense_value(thetas, states, loads, actions=None, *, terminal=False):
    """V(s), or Q(s, a), of the whole network of four: the value and the inputs (5, 4).

    Variables per area: x(0..5), u(0..4), sigma(1..5).
    """
    N, gamma, n = 5, 0.9, 34
    X = [[n * i + 4 * k + np.arange(4) for k in range(N + 1)] for i in range(4)]
    U = [[n * i + 24 + k for k in range(N)] for i in range(4)]
    S = [[n * i + 29 + k for k in range(N)] for i in range(4)]
    hessian, q, constant = np.zeros((4 * n,) * 2), np.zeros(4 * n), 0.0
    low, high = np.full(4 * n, -np.inf), np.full(4 * n, np.inf)
    rows, lower, upper = [], [], []

    def add(entries, least, most):
        row = np.zeros(4 * n)
        for index, value in entries:
            row[index] += value
        rows.append(row)
        lower.append(least)
        upper.append(most)

    for i in range(4):
        neighbours = [j for j in range(4) if (i, j) in TRUE]
        t, d = unpacked(thetas[i], neighbours), loads[i]
        a, b, load, coupling = exact_model(i, t['P'])
        weight, point = t['Q'].reshape(4, 4), np.array([0.0, 0.0, d, d])
        constant += t['V0'][0]
        for k in range(N + terminal):
            hessian[np.ix_(X[i][k], X[i][k])] += gamma**k * (weight + weight.T)
            q[X[i][k]] -= gamma**k * (weight + weight.T) @ point
            constant += gamma**k * point @ weight @ point
        for k in range(N):
            q[X[i][k]] += t['fx']
            q[U[i][k]] += t['fu'][0] - 2 * gamma**k * t['Qu'][0] * d
            hessian[U[i][k], U[i][k]] += 2 * gamma**k * t['Qu'][0]
            constant += gamma**k * t['Qu'][0] * d**2
            q[S[i][k]] += 500 * gamma**k
            low[S[i][k]] = 0.0
            low[U[i][k]], high[U[i][k]] = -U_MAX[i], U_MAX[i]
            add([(X[i][k + 1][0], 1.0), (S[i][k], -1.0)], -np.inf, 0.1 + t['ub'][0])
            add([(X[i][k + 1][0], 1.0), (S[i][k], 1.0)], -0.1 + t['lb'][0], np.inf)
            for r in range(4):
                right = -(load[r] * d + 0.1 * t['b'][r])
                add(
                    [
                        *zip(X[i][k], a[r], strict=True),
                        (U[i][k], b[r]),
                        (X[i][k + 1][r], -1.0),
                        *((X[j][k][0], column[r]) for j, column in coupling.items()),
                    ],
                    right,
                    right,
                )
        low[X[i][0]] = high[X[i][0]] = states[i]
        if actions is not None:
            low[U[i][0]] = high[U[i][0]] = actions[i]
    v, _, value = optimum(hessian, q, np.array(rows), np.array(lower), np.array(upper), low, high)
    return value + constant, np.array([[v[U[i][k]] for i in range(4)] for k in range(N)])
