"""The network in one process: all agents in lockstep, in closed loop with the plant."""
