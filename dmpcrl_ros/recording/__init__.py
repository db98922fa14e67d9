"""Run directories, checkpoints, summaries and figures."""
