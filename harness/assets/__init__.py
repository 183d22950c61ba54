"""The embedded tiny policy and tiny judge, and the command that makes them again (`harness/assets/make.py`)."""
