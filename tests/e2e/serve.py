# SPDX-License-Identifier: Apache-2.0
"""`serve.py MODULE start`: what `python MODULE.py start` does, in production mode with process jobs; but a busy machine
is no reason to get no job or to give a process up, and the health check has any port."""

from __future__ import annotations

import importlib
import sys

from livekit.agents import JobExecutorType, WorkerOptions, cli


def idle() -> float:
    """The load as the worker tells it. LiveKit's server gives no jobs to workers at 1.0."""
    return 0.0


if __name__ == "__main__":
    module = importlib.import_module(sys.argv.pop(1))
    cli.run_app(
        WorkerOptions(
            entrypoint_fnc=module.entrypoint,
            job_executor_type=JobExecutorType.PROCESS,
            multiprocessing_context="forkserver",
            num_idle_processes=1,
            load_fnc=idle,
            initialize_process_timeout=60,
            shutdown_process_timeout=20,
            drain_timeout=10,
            host="127.0.0.1",
            port=0,
        )
    )
