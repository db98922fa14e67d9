"""Plants with their costs, bounds and the agents' first models."""
