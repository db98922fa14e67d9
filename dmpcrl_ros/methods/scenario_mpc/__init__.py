"""Scenario-based stochastic MPC, a baseline of paper 001."""
