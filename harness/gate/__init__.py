"""The regression test on verifiers: golden rows, disagreements, the check, the pytest plug-in."""
