# SPDX-License-Identifier: Apache-2.0
"""FAULTS: everything that can go wrong at a vendor, by name.

    vendors.fail("limited_seconds", vendor="openai", stage="judge", times=1)

    @pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)

What a test may rely on, of each row:

name        unique, fit for a test's id.
outcome     what a client that works makes of a call, if the fault takes the place of the right answer:

            fine       the call succeeds at its first attempt, and its result is the one without the fault: the same
                       score, the same transcript text, speech of the same length. (Words' times, the language and the
                       usage may be missing; a reason may be missing or cut; the key is taken out of what the model
                       said.) Odd, but usable.
            transient  the attempt is lost and is made again: with times=1 or 2 the call succeeds, after times + 1
                       requests; with times=None it fails after 3 requests, the stage's failure (conversation not
                       created, `transcription_failed`, `evaluation_failed`).
            permanent  the call fails after 1 request, with the same failure. Nothing follows a redirect: no request
                       for a path under /redirected comes.
            unusable   status 200 but no result in it: 1 request. A judge is `errored`; for speech and transcription it
                       is the stage's failure.

cases       the (vendor, stage) pairs where it exists. `fail` refuses others, and a plan without vendor or stage is for
            these only.
raw         it writes bytes of HTTP/1.1: not to be used over HTTP/2.
slow        the client notices by a time limit only (hang*, drip*: the stage's, 60 or 120 s), or waits for it (up to
            30 s of Retry-After): tests shorten the limit or let one of them run. `hang` can be let go: Plan.release()
            answers rightly, and so does leaving the `with` block, without an answer. A client that is itself stopped
            leaves; `Call.abandoned` tells.
secret      the answer has the request's own key in it, whole or in pieces: afterwards neither the key nor a piece of it
            of 8 characters is in any log, response, row or file.
retry_after_s  the next attempt comes this many seconds later at the earliest (None: the client's own backoff).

The fault is sent only for a request that the vendor's reference allows; any other is refused as the vendor would, which
shows in Vendors.refused. `cut_reused` breaks off only where the connection had a request before.
"""

from __future__ import annotations

from collections.abc import Mapping

from vendors.fault import Fault
from vendors.faults_audio import FAULTS_AUDIO
from vendors.faults_body import FAULTS_BODY
from vendors.faults_status import FAULTS_STATUS
from vendors.faults_text import FAULTS_TEXT
from vendors.faults_wire import FAULTS_WIRE

FAULTS: list[Fault] = [*FAULTS_STATUS, *FAULTS_WIRE, *FAULTS_BODY, *FAULTS_AUDIO, *FAULTS_TEXT]
BY_NAME: Mapping[str, Fault] = {fault.name: fault for fault in FAULTS}
