# SPDX-License-Identifier: Apache-2.0
"""`PYTHONPATH=tests python -m vendors`: serves until it is interrupted, and prints an environment for xrayd."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence

from vendors.names import KEYS, STAGES, VENDORS, Vendor
from vendors.server import Vendors


def environment(fake: Vendors, chosen: Sequence[Vendor]) -> dict[str, str]:
    """With a selector for each stage: without, xrayd refuses the keys of several vendors."""
    env: dict[str, str] = {}
    for i, stage in enumerate(STAGES):
        env |= fake.env(chosen[i % len(chosen)], stage)
    return env


def main() -> None:
    parser = argparse.ArgumentParser(prog="vendors", description=__doc__)
    parser.add_argument(
        "--vendor",
        action="append",
        choices=VENDORS,
        help="who xrayd is to ask, for all stages; given again, stages take turns: speech, transcription, judge. "
        "Without: each stage another one",
    )
    parser.add_argument("--keyless", action="store_true", help="demand no keys")
    parser.add_argument("--latency-ms", type=float, default=0, help="answer every request so much later")
    options = parser.parse_args()
    with Vendors(keys=None if options.keyless else KEYS) as fake:
        if options.latency_ms:
            fake.delay(options.latency_ms)
        variables = environment(fake, options.vendor or VENDORS)
        print("\n".join(f"export {name}={value}" for name, value in variables.items()), flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
