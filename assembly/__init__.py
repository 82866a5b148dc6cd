"""Puts the parts together: options, wiring, simulators, seeds. Only app.py imports it."""
