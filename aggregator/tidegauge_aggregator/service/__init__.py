"""The aggregator's work: take panes, decide when to evaluate, answer questions. No HTTP.

May import `evaluation`, `store` and `domain`.
Runs in the event loop; hands I/O to the store's thread and arithmetic to the evaluator's.
"""
