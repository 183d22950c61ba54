"""Which verifier is worth training on: `restem.benchmarks`, `restem.verifiers`, `restem.harness`, `restem.reports`.

In a checkout the four packages are links to the folders at the top level; a wheel holds the files themselves.
"""
