"""The engine: values, operation records, the reverse sweep. It knows nothing of layers or files."""
