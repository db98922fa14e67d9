"""What keeps an update of the parameters from doing harm where the papers leave it open."""

from dataclasses import dataclass

import numpy as np

_ROUNDING = 1e-12  # of an eigenvalue, relative to the largest


@dataclass(frozen=True)
class SafeguardReport:
    """What the safeguards did to one update of one agent.

    Args:
        curvature_flattened: directions whose negative curvature was taken out of the second-order model.
        step_scale: factor, at most one, by which the step of the whole network was shortened.
        parameters_held: elements of theta that were held at a bound.
    """

    curvature_flattened: int = 0
    step_scale: float = 1.0
    parameters_held: int = 0


@dataclass(frozen=True, kw_only=True)
class Safeguards:
    """Bounds on theta, on its change in one update, and on the curvature of the second-order model.

    Args:
        lower, upper: of theta (p,), such that the problem of the MPC is a convex one within them; infinite for none.
        step_limit: largest change of an element of theta in one update, relative to max(1, |theta|).
        flatten: whether negative curvature is taken out, so that the second-order step descends.
    """

    lower: np.ndarray
    upper: np.ndarray
    step_limit: float = np.inf
    flatten: bool = False

    def flattened(self, curvature: np.ndarray) -> tuple[np.ndarray, int]:
        """`curvature` (p, p), symmetric, made positive semidefinite, and how many of its directions were not."""
        if not self.flatten or not curvature.any():
            return curvature, 0
        values, vectors = np.linalg.eigh(curvature)
        negative = values < -_ROUNDING * np.abs(values).max()
        if not negative.any():
            return curvature, 0
        away = vectors[:, negative]
        return curvature - (away * values[negative]) @ away.T, int(negative.sum())

    def excess(self, theta: np.ndarray, change: np.ndarray) -> float:
        """By which factor the change (p,) of theta (p,) is too long; one when it is not."""
        return max(1.0, float((np.abs(change) / (self.step_limit * np.maximum(1.0, np.abs(theta)))).max()))

    def hold(self, theta: np.ndarray) -> tuple[np.ndarray, int]:
        """theta (p,) within its bounds, and how many elements were not."""
        held = np.clip(theta, self.lower, self.upper)
        return held, int((held != theta).sum())
