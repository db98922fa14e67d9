"""Graphs of coupling and communication, and the weights of average consensus on them."""
