# SPDX-License-Identifier: Apache-2.0
"""The package: its names, what it imports, and that wheel and sdist hold what they should."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from xrayd_process import ROOT

import xray

SDK = ROOT / "sdk" / "python"
PUBLIC = [
    "Conversation",
    "Turn",
    "Assertion",
    "Judge",
    "RecordedAudio",
    "TtsAudio",
    "RunConfig",
    "run",
    "run_live",
    "attach",
    "XraySession",
    "SimulatedSipCall",
    "ReplayResult",
    "AssertionOutcome",
    "JudgeOutcome",
    "TurnMetrics",
    "AgentResponse",
    "ToolCall",
    "ModelUsage",
    "Role",
    "EvaluationStatus",
    "format_failures",
    "XrayError",
    "ReplayEvaluationError",
]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(SDK / "src")}


def test_the_public_names_are_the_contracts() -> None:
    assert sorted(xray.__all__) == sorted(PUBLIC)
    for name in PUBLIC:
        assert getattr(xray, name) is not None


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_base_import_needs_no_extra() -> None:
    code = "import xray, xray.runtime.base, xray.otel, sys; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = set(python(code).split())
    assert "httpx" in loaded
    assert not loaded & {"livekit", "sounddevice", "numpy"}


def test_the_import_leaves_opentelemetry_as_it_is() -> None:
    code = "import xray; from opentelemetry import trace; print(type(trace.get_tracer_provider()).__name__)"
    assert python(code).strip() == "ProxyTracerProvider"


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources as a checkout has them: nothing is built in the tree."""
    to = tmp_path_factory.mktemp("sdk")
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."],
        cwd=SDK,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    for name in names:
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        (to / name).write_bytes((SDK / name).read_bytes())
    return to


def built(sources: Path, to: Path, hook: str) -> Path:
    code = f"import hatchling.build as b; print(b.{hook}({str(to)!r}))"
    subprocess.run([sys.executable, "-c", code], cwd=sources, check=True, capture_output=True, text=True)
    (made,) = to.iterdir()
    return made


def modules() -> set[str]:
    return {str(path.relative_to(SDK / "src")) for path in (SDK / "src").rglob("*.py")}


def test_the_wheel_is_whole_and_typed(copied: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, "-w", str(tmp_path), str(copied)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("xray_py-*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
        (plugins,) = (archive.read(name).decode() for name in names if name.endswith("entry_points.txt"))
        licences = [archive.read(name) for name in names if name.endswith("/LICENSE")]
    in_metadata = {name for name in names if ".dist-info/" in name}
    assert names - in_metadata == modules() | {"xray/py.typed"}
    assert plugins.split() == ["[pytest11]", "xray", "=", "xray_pytest"]
    assert licences == [(SDK.parent.parent / "LICENSE").read_bytes()]
    assert "Requires-Python: >=3.10" in metadata
    assert "Provides-Extra: livekit" in metadata
    assert "Requires-Dist: sounddevice" in metadata.split("Provides-Extra: live\n")[1]
    unconditional = {line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra" not in line}
    assert {line.split()[1].split(">")[0] for line in unconditional} == {
        "httpx",
        "opentelemetry-api",
        "opentelemetry-exporter-otlp-proto-http",
        "opentelemetry-sdk",
        "pydantic",
        "typing-extensions",
    }


def test_the_sdist_is_whole(copied: Path, tmp_path: Path) -> None:
    with tarfile.open(built(copied, tmp_path, "build_sdist")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"src/{name}" for name in modules()} <= names
    assert {"pyproject.toml", "README.md", "LICENSE", "src/xray/py.typed"} <= names
    # They need a server that only the repository builds.
    assert not {name for name in names if name.startswith("tests")}
