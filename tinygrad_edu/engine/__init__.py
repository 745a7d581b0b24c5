"""The engine: values, operation records and the reverse sweep. It knows nothing of layers or files."""
