"""Distributed MPC as a function approximator for Q-learning (papers 001 and 000)."""
