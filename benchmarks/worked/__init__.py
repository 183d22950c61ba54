"""Worked solutions of the tasks that the embedded policy knows, and the mistakes of a simulated crowd.

A file a task. The right solutions are those of benchmarks that have solutions; the embedded policy learnt to write from
both. A base policy worth self-training is able but unreliable: it becomes able by many correct solutions, and
unreliable by a short phase on this crowd's. Mistakes of each kind are independent of the problem, so that a policy can
in principle unlearn them from its own accepted samples.
"""
