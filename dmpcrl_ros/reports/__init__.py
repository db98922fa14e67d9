"""What is left of a run: its directory, tables and figures."""
