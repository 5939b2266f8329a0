"""The aggregator: panes in, verdicts out (`docs/aggregator.md`).

A pane arrives over HTTP (`panes_route`, `app`), is checked (`intake`), written down before it is
acknowledged (`writer`, `store`, `sqlite`), added to what its model and profile count (`watch`), and
evaluated once its time is over (`evaluation`). `aggregator` holds these together; nothing below it knows of
HTTP.
"""
