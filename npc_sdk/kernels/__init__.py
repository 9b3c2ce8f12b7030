"""Loops compiled for the CPU: twins of what `world` and `planner` do in torch, for the many small steps of a tick."""
