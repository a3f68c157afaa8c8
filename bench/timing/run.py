# SPDX-License-Identifier: Apache-2.0
"""How true the server's numbers are: noisy dialogues whose truth is known go in, and what was heard is held against it.

Prints one table; docs/timing.md says what is in it. The exit status is 0 when all could be measured, whatever was
found; 1 when something broke. Any Python will do to start it: it goes on in an environment of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

# What it shares with the other benchmarks.
sys.path.extend(str(Path(__file__).resolve().parents[2] / folder) for folder in ("bench", "scripts"))

import environment


def main() -> int:
    environment.enter()
    import benchmark  # needs what only that environment has

    return benchmark.main()


if __name__ == "__main__":
    sys.exit(main())
