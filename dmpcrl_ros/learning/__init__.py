"""Learners: what becomes of the parameters when a transition has been observed."""
