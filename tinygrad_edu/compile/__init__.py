"""A function that is recorded becomes a program: `te.compile`."""
