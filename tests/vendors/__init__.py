# SPDX-License-Identifier: Apache-2.0
"""A fake of OpenAI, Google and Mistral for tests: strict about requests, real in its answers, broken on demand.

    with Vendors() as vendors:
        vendors.hear({1200: "two tickets please"})
        vendors.fail("limited_seconds", stage="judge", times=1)
        ... xrayd with env=vendors.env("openai") ...
        assert [call.status for call in vendors.calls(stage="judge")] == [429, 200]

server.py has Vendors, faults.py the table of faults.
"""

from vendors.calls import Call
from vendors.fault import Fault, Outcome
from vendors.faults import FAULTS
from vendors.names import STAGES, VENDORS, Stage, Vendor
from vendors.plans import Plan
from vendors.script import Asked, Heard, Word
from vendors.server import Vendors

__all__ = [
    "FAULTS",
    "STAGES",
    "VENDORS",
    "Asked",
    "Call",
    "Fault",
    "Heard",
    "Outcome",
    "Plan",
    "Stage",
    "Vendor",
    "Vendors",
    "Word",
]
