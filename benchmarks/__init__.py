"""How much the eager engine costs over NumPy written by hand: run ``python -m benchmarks``."""
