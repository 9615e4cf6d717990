"""Measures Graft beside other runtimes; `tools/benchmark` starts it."""
