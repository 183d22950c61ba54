"""Programs against unit tests: `unit_tests`, and the sandbox in which programs and tests run.

Nothing is executed unless the user permits it (permission.py). candidate.py, checker.py, isolation.py, seccomp.py and
launcher.py run in processes of their own; sandbox.py starts these, unit_tests.py gives the verdicts.
"""
