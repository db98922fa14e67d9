"""Controlled systems: descriptions, problems and plants."""
