# SPDX-License-Identifier: Apache-2.0
"""`PYTHONPATH=tests python -m vendors`: serves until it is interrupted, and prints an environment for xrayd."""

from __future__ import annotations

import argparse
import signal

from vendors.names import KEYS, VENDORS
from vendors.server import Vendors


def main() -> None:
    parser = argparse.ArgumentParser(prog="vendors", description=__doc__)
    parser.add_argument("--keyless", action="store_true", help="demand no keys")
    parser.add_argument("--latency-ms", type=float, default=0, help="answer every request so much later")
    options = parser.parse_args()
    with Vendors(keys=None if options.keyless else KEYS) as vendors:
        if options.latency_ms:
            vendors.delay(options.latency_ms)
        variables = [v for vendor in VENDORS for v in vendors.env(vendor).items() if not v[0].startswith("XRAY_")]
        print("\n".join(f"export {name}={value}" for name, value in variables), flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
