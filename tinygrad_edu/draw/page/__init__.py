"""The parts of the step-through page: its formulas, arrays, checks, graph and text."""
