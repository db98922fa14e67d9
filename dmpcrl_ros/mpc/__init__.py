"""Parametrised model predictive control: the formulation, its quadratic programme, and its sensitivities."""
