"""Estimates held against a known truth, over many drawn worlds: `python -m benchmarks.certify --help`."""
