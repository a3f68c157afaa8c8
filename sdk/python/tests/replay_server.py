# SPDX-License-Identifier: Apache-2.0
"""A real server, as tests of an agent's side need it: it makes replays, and tells what it knows of them."""

from __future__ import annotations

import json
from typing import Any

import httpx

from xray._attributes import ReplayIdentity

Json = dict[str, Any]

CONVERSATION = {"name": "agent's side", "turns": [{"role": "user", "text": "Hello"}, {"role": "agent"}]}


class Server:
    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url)

    def new_replay(self) -> ReplayIdentity:
        made = self.http.post("/v1/conversations", files={"spec": (None, json.dumps(CONVERSATION))})
        assert made.status_code == 200, made.text
        replay = self.http.post("/v1/replays", json={"conversation_hash": made.json()["hash"]})
        assert replay.status_code == 201, replay.text
        return ReplayIdentity(replay.json()["id"], made.json()["hash"], "voice")

    def detail(self, replay: ReplayIdentity) -> Json:
        return self.http.get(f"/v1/replays/{replay.replay_id}").json()
