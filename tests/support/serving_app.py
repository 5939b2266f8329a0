"""The server's application without a process: requests go straight into its ASGI callable."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from prometheus_client import generate_latest
from tidegauge_serving.http.app import make_app
from tidegauge_serving.http.families import make_registry
from tidegauge_serving.http.fast_path import FastPath
from tidegauge_serving.http.health import Health
from tidegauge_serving.http.state import ServingState
from tidegauge_serving.predict.capture import Capture
from tidegauge_serving.predict.metrics import ServingMetrics
from tidegauge_serving.predict.service import Service
from tidegauge_serving.predict.startup import load
from tidegauge_serving.settings import Settings

from tidegauge.protocol.capture_log import SEGMENT_HEADER_BYTES, Frame, SegmentHeader, parse_frames

NOW_NS = 1_767_225_600_123_456_789  # 2026-01-01T00:00:00.123456789Z


class App:
    """A loaded model behind its HTTP surface, with capture on."""

    def __init__(self, bundle: Path, log_dir: Path, *, random: Any = lambda: 0.0, **settings: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.settings = Settings(bundle=bundle, log_dir=log_dir, **settings)
        self.loaded = load(self.settings)
        profile = self.loaded.profile
        self.capture = Capture(
            log_dir,
            self.settings.log_bytes,
            columns=len(profile.monitored),
            value_bytes=8,
            profile_hash=profile.hash,
            writer="test",
            monotonic=time.monotonic,
        )
        self.metrics = ServingMetrics()
        self.registry = make_registry(self.metrics)
        self.state = ServingState(self.metrics)
        self.lines: list[bytes] = []
        health = Health(make_app(self.state, self.registry), self.state)
        self.asgi = FastPath(health, self.state, self.settings.max_body_bytes, self.lines.append)
        self.service = Service(
            self.settings.model or self.loaded.manifest.name,
            self.loaded,
            self.loaded.engine(self.settings),
            self.capture,
            self.metrics,
            threshold=self.settings.row_score_threshold,
            sample_rate=self.settings.sample_rate,
            random=random,
            now_ns=lambda: NOW_NS,
        )
        self.state.open(self.service)

    def close(self) -> None:
        self.service.close()
        self.loop.close()

    def post(self, path: str, body: bytes | object, **headers: str) -> tuple[int, Any]:
        status, _, answer = self.ask("POST", path, body, **headers)
        return status, json.loads(answer)

    def get(self, path: str) -> tuple[int, Any]:
        status, _, answer = self.ask("GET", path, b"")
        return status, json.loads(answer)

    def ask(self, method: str, path: str, body: object, **headers: str) -> tuple[int, dict[str, str], bytes]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.loop.run_until_complete(self.ask_async(method, path, data, headers))

    async def ask_async(
        self, method: str, path: str, data: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        every = {"content-length": str(len(data)), **{k.replace("_", "-"): v for k, v in headers.items()}}
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in every.items()],
        }
        parts = [data[at : at + 65_536] for at in range(0, len(data), 65_536)] or [b""]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.asgi(scope, receive, send)
        answer = b"".join(message.get("body", b"") for message in sent[1:])
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], found, answer

    def metric(self, name: str, **labels: str) -> float:
        value = self.registry.get_sample_value(name, {"model": self.service.name, **labels})
        return 0.0 if value is None else value

    def exposition(self) -> str:
        return generate_latest(self.registry).decode()


def read_log(folder: Path, writer: str = "test") -> tuple[SegmentHeader, list[Frame], int]:
    """All frames of a writer in order, the first segment's header, and the damaged bytes."""
    frames: list[Frame] = []
    damaged = 0
    first: SegmentHeader | None = None
    for path in sorted(folder.glob(f"{writer}-*.rows")):
        data = path.read_bytes()
        header = SegmentHeader.decode(data)
        first = first or header
        parsed = parse_frames(data[SEGMENT_HEADER_BYTES:], header, complete=True)
        frames += parsed.frames
        damaged += parsed.corrupt_bytes
    assert first is not None, f"no segment of {writer} in {folder}"
    return first, frames, damaged
