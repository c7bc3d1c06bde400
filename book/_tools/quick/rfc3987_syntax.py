"""Stands before the real one on the path of the tools: jsonschema builds that grammar, two seconds
long, whenever a process imports nbformat, and no schema of a notebook has an international address
to check."""

raise ImportError("not needed to read a notebook")
