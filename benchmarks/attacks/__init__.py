"""A search for texts that a verifier pays wrongly: wrong answers that it accepts, right ones that it refuses.

    from restem.benchmarks.attacks.search import Search

    asked = Search(problems, ask, budget=2000, seed=0).run()

Depends on problems alone: the verifier is the function `ask`.
"""
