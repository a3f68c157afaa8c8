# SPDX-License-Identifier: Apache-2.0
"""`serve.py WORKER.py start` is `python WORKER.py start`: production mode, jobs in processes. But a busy machine is no
reason to get no job or to give a process up, and the health check has any port."""

from __future__ import annotations

import functools
import runpy
import sys

from livekit import agents


def idle() -> float:
    """The load as the worker tells it. LiveKit's server gives no jobs to workers at 1.0."""
    return 0.0


if __name__ == "__main__":
    agents.WorkerOptions = functools.partial(
        agents.WorkerOptions,
        num_idle_processes=1,
        load_fnc=idle,
        initialize_process_timeout=60,
        shutdown_process_timeout=20,
        drain_timeout=10,
        host="127.0.0.1",
        port=0,
    )
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
