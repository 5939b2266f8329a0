"""Prometheus's promtool: the machine's own, or built once from `tests/promtool` into the cache."""

from support.go_program import GoProgram

# Without the clients of all clouds' service discoveries, which rules have no need of.
PROMTOOL = GoProgram(
    name="promtool",
    module="promtool",
    package="github.com/prometheus/prometheus/cmd/promtool",
    minutes=3,
    flags=("-tags", "remove_all_sd"),
)
