# SPDX-License-Identifier: Apache-2.0
"""HTTPS: certificates are verified against the authority that is trusted and the host that is asked, and HTTP/2 is
spoken where it is offered."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from cloud import KEYS, Listener, all_stages, cloud, output_of, recording, spoken_talk, talk
from vendors import STAGES, VENDORS, Vendor, Vendors
from vendors.certificates import Authority, Kind
from xrayd_process import ROOT

TURNS = tuple(300 + 20 * i for i in range(12))
SYSTEM_FOLDER = "/etc/ssl/certs"  # that Debian's libcurl looks into by default
ABOUT: dict[str, str] = {
    "unknown": "unable to get local issuer certificate",
    "other_host": "no alternative certificate subject name matches",
    "expired": "certificate has expired",
}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def env_of(fake: Vendors, vendor: Vendor, authority: Authority) -> dict[str, str]:
    return fake.env(vendor) | {"SSL_CERT_FILE": str(authority.file)}


@pytest.mark.parametrize("http2", [True, False], ids=["h2", "http/1.1"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_trusted_authority(tmp_path: Path, authority: Authority, vendor: Vendor, http2: bool) -> None:
    with (
        Vendors(keys=KEYS, tls=authority.server(), http2=http2) as fake,
        cloud(tmp_path / "data", fake, env_of(fake, vendor, authority)) as (_, api),
    ):
        all_stages(api)
        assert [call.stage for call in fake.calls()] == list(STAGES)
        assert {call.http for call in fake.calls()} == {"2" if http2 else "1.1"}
        assert fake.connections == 1  # it is kept


def test_one_connection_for_all_turns(tmp_path: Path, authority: Authority) -> None:
    with (
        Vendors(keys=KEYS, tls=authority.server(), http2=True) as fake,
        cloud(tmp_path / "data", fake, env_of(fake, "openai", authority)) as (_, api),
    ):
        fake.delay(50)
        replay = api.begin(api.new_conversation(talk(len(TURNS))), recording(*TURNS))
        assert api.verdict(replay)["type"] == "evaluation_complete"
        assert len(fake.calls()) == len(TURNS)
        assert fake.peak > 1
        assert fake.connections == 1


def refused_everywhere(fake: Vendors, api: Listener) -> None:
    """Speech and transcription fail at once, and nothing was sent."""
    reply = api.conversation(spoken_talk("Hello."))
    assert reply.status_code == 502
    assert reply.json() == {"error": "tts_synthesis_failed", "provider": "openai", "status_code": None}
    replay = api.begin(api.new_conversation(talk()), recording(400))
    assert api.verdict(replay) == {"type": "failed", "reason": "transcription_failed"}
    assert fake.calls() == []


@pytest.mark.parametrize("wrong", ABOUT)
def test_refused_certificate(tmp_path: Path, authority: Authority, wrong: str) -> None:
    kinds: dict[str, Kind] = {"other_host": "other_host", "expired": "expired"}
    with Vendors(keys=KEYS, tls=authority.server(kinds.get(wrong, "right"))) as fake:
        # An unknown one: the system's authorities are trusted, as without the variable.
        env = fake.env("openai") if wrong == "unknown" else env_of(fake, "openai", authority)
        with cloud(tmp_path / "data", fake, env) as (server, api):
            refused_everywhere(fake, api)
            jobs = output_of(server, "jobs", env)
            assert ABOUT[wrong] in jobs
            assert "attempts" not in jobs  # it was not tried again
            assert server.stop() == 0
            (line,) = [line for line in server.raw_log if '"speech failed"' in line]
            assert ABOUT[wrong] in line


@pytest.fixture
def system_trusts(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's folder holds this authority beside its file of others: in a mount namespace of the server's own."""
    folder, wrapper = tmp_path / "certs", tmp_path / "xrayd"
    binary = Path(os.environ.get("XRAYD", ROOT / "build" / "xrayd")).resolve()
    hashed = ["openssl", "x509", "-subject_hash", "-noout", "-in", authority.file]
    name = subprocess.run(hashed, capture_output=True, text=True, check=True).stdout.strip()
    folder.mkdir()
    shutil.copy(f"{SYSTEM_FOLDER}/ca-certificates.crt", folder)
    shutil.copy(authority.file, folder / f"{name}.0")
    mount = f'mount --bind {folder} {SYSTEM_FOLDER} && exec "$@"'
    own = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if subprocess.run([*own, "true"], capture_output=True).returncode != 0:
        pytest.skip("mount namespaces are not allowed here")
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.join([*own, str(binary)])} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("XRAYD", str(wrapper))


@pytest.mark.usefixtures("system_trusts")
def test_certificate_that_the_system_trusts(tmp_path: Path, authority: Authority) -> None:
    with (
        Vendors(keys=KEYS, tls=authority.server()) as fake,
        cloud(tmp_path / "data", fake, fake.env("openai")) as (_, api),
    ):
        all_stages(api)


@pytest.mark.usefixtures("system_trusts")
def test_a_file_of_authorities_replaces_the_systems(tmp_path: Path, authority: Authority) -> None:
    (tmp_path / "other").mkdir()
    env = {"SSL_CERT_FILE": str(Authority(tmp_path / "other").file)}
    with (
        Vendors(keys=KEYS, tls=authority.server()) as fake,
        cloud(tmp_path / "data", fake, fake.env("openai") | env) as (server, api),
    ):
        refused_everywhere(fake, api)
        assert ABOUT["unknown"] in output_of(server, "jobs", env)


def test_judge_with_refused_certificate(tmp_path: Path, authority: Authority, vendors: Vendors) -> None:
    with Vendors(keys=KEYS, tls=authority.server("other_host")) as fake:
        judge = {"XRAY_JUDGE_BASE_URL": fake.url("openai"), "SSL_CERT_FILE": str(authority.file)}
        with cloud(tmp_path / "data", vendors, vendors.env("openai") | judge) as (_, api):
            replay = api.begin(api.new_conversation(talk(1, "It helps.")), recording(400))
            assert api.verdict(replay) == {"type": "failed", "reason": "evaluation_failed"}
            assert len(api.detail(replay)["transcripts"]) == 1
        assert fake.calls() == []
