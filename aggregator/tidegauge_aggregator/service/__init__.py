"""What the aggregator does: takes panes, decides when to evaluate, answers questions. No HTTP.

May import `evaluation`, `store` and `domain`.
Runs in the event loop; hands I/O to the store's thread and arithmetic to the evaluator's.
"""
