"""Protocols by which neighbours agree: ADMM and consensus, as generators without I/O; and what keeps their messages."""
