# SPDX-License-Identifier: Apache-2.0
"""Asks a server what it hears in the fixed subset of the dialogues (kept.py), for tests/test_timing_subset.py.

    subset.py --heard FILE   what it hears, and the truth, as JSON
    subset.py --update       the file that the test compares with is written anew, and what moved is said: for a
                             detector that was changed on purpose
    subset.py                only makes what the others need, on first use

Any Python will do to start it: it goes on in the environment of the benchmark.
"""

from __future__ import annotations

import sys
from pathlib import Path

# What it shares with the other benchmarks.
sys.path.extend(str(Path(__file__).resolve().parents[2] / folder) for folder in ("bench", "scripts"))

import environment


def main() -> int:
    environment.enter()
    import subset_hearing  # needs what only that environment has

    return subset_hearing.main()


if __name__ == "__main__":
    sys.exit(main())
