"""The aggregator: panes in, verdicts out (`docs/aggregator.md`).

A pane arrives over HTTP (`http`), is checked (`service`) and written down (`store`) before its answer.
`service` decides when its time is over, and `evaluation` judges it. `domain` holds the rules, without
clock, thread or network. `docs/design/rooms.md` names the files on the way.
"""
