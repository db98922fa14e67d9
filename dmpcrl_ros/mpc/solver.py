"""What must be known of the active-set solver, daqp, to trust its answers."""

SOFT, EQUALITY = 8, 5                # its flags of a constraint
SLACK_CURVATURE = 1e-7               # it weighs slack by w s + c s^2 / 2; from c = 1e-9 down active sets are wrong
SETTINGS = {'primal_tol': 1e-10, 'eps_prox': 0.0, 'iter_limit': 1000}
KKT_TOLERANCE = 1e-9                 # of an accepted solution, relative to the size of the linear term
SLACK_USED = 2                       # its exit flag of a solution with slack


class QpFailure(Exception):
    """The quadratic programme has no solution, or the solver found none; the message says which."""


def reason(flag: int) -> str:
    """What an exit flag that is not positive means."""
    return {-1: 'infeasible', -2: 'the active set cycles', -3: 'unbounded', -4: 'iteration limit',
            -5: 'not convex', -6: 'contradictory active constraints'}.get(flag, f'solver flag {flag}')
