"""Demonstrations for the embedded policy: worked solutions of several tasks, and the mistakes of a simulated crowd.

A base policy worth self-training is able but unreliable. It becomes able by many correct solutions, and unreliable by a
short phase on this crowd's. Mistakes of each kind are independent of the problem, so that a policy can in principle
unlearn them from its own accepted samples.
"""
