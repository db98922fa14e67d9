"""Power grids of several areas."""
