"""Readers of what comes from outside, against what nobody thought of: run by hand, outside the suite."""
