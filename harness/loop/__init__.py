"""Algorithm 1 of ReST-EM: E-step, evaluation, attack probe, the loop."""
