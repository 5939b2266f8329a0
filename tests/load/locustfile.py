"""Load for a running stack, see docs/local-stack.md: ``locust -f tests/load/locustfile.py --host URL``.

`TIDEGAUGE_BUNDLE` names the bundle to draw rows from; `SCENARIO` is baseline, moderate or high.
"""

import itertools
import os
from pathlib import Path

import numpy as np
from locust import FastHttpUser, constant_throughput, task

from tidegauge.data.synthetic import rows
from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import PROFILE_FILE, Env

BUNDLE = Path(os.environ.get(Env.BUNDLE, "examples/house-prices/bundle"))
ROWS = rows(
    Profile.load(BUNDLE / PROFILE_FILE),
    10_000,
    os.environ.get("SCENARIO", "baseline"),
    np.random.default_rng(1),
)


class Client(FastHttpUser):
    """Asks for one prediction after the other, at most 100 a second."""

    wait_time = constant_throughput(100)

    def on_start(self) -> None:
        self.rows = itertools.cycle(ROWS)

    @task
    def predict(self) -> None:
        self.client.post("/predict", json={"features": next(self.rows)})
