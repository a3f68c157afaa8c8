#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the voice network in C against onnxruntime, which runs the ONNX file of the same wheel on the same samples.

    bench/net/compare.py                  the tests' sounds and ten minutes of recorded speech, clean and in noise;
                                          exit status 1 if a probability is off by more than 1e-3
    bench/net/compare.py --write-golden   also writes onnxruntime's figures for server/src/audio/net_test.c

Needs apt-get (Debian's asterisk-core-sounds-en-wav is downloaded and unpacked, not installed) and pip. Everything is
kept under build/net-compare; onnxruntime is in an environment of its own there.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import wave
import zipfile
from array import array
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = ROOT / "build" / "net-compare"
PROBE = ROOT / "build" / "release" / "server" / "net-probe"
GOLDEN = ROOT / "server" / "src" / "audio" / "net_golden_test.h"
MODEL = "silero_vad/data/silero_vad.onnx"
SPEECH = "asterisk-core-sounds-en-wav"
PACKAGES = ["onnxruntime==1.23.2", "numpy==2.3.5"]
SIGNALS = ["silence", "tone", "noise", "chirp", "voice", "voice_in_noise", "clipped"]
VARIANTS = ["avx512", "avx2", "baseline"]
SNRS_DB = [None, 20, 10, 0]
LIMIT = 1e-3
WINDOW = 512
SPEECH_S_MAX = 600
MISSING_VARIANT = 3  # net-probe's exit status

# Runs in the other environment: each file of samples beside its file of probabilities.
REFERENCE = """
import json, sys
import numpy as np
import onnxruntime as ort

options = ort.SessionOptions()
options.inter_op_num_threads = options.intra_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], sess_options=options, providers=["CPUExecutionProvider"])
for name in json.load(sys.stdin):
    samples = np.fromfile(name, "<f4").reshape(-1, 512)
    state, context, out = np.zeros((2, 1, 128), "f4"), np.zeros(64, "f4"), []
    for window in samples:
        feed = {"input": np.concatenate([context, window])[None], "state": state, "sr": np.array(16000, "int64")}
        probability, state = session.run(None, feed)
        out.append(probability[0, 0])
        context = window[-64:]
    np.array(out, "<f4").tofile(name + ".expected")
"""


def run(*command: str | Path, stdin: bytes | None = None, cwd: Path | None = None) -> bytes:
    return subprocess.run(command, input=stdin, cwd=cwd, check=True, stdout=subprocess.PIPE).stdout


def environment() -> Path:
    python = SCRATCH / "venv" / "bin" / "python"
    stamp = SCRATCH / "venv" / "packages"
    if not stamp.exists() or stamp.read_text().split() != PACKAGES:
        run(sys.executable, "-m", "venv", "--clear", SCRATCH / "venv")
        run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES)
        stamp.write_text("\n".join(PACKAGES))
    return python


def model(python: Path) -> Path:
    out = SCRATCH / "silero_vad.onnx"
    if not out.exists():
        requirements = ROOT / "server" / "voice-network" / "requirements.txt"
        pip = [python, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        run(*pip, "-r", requirements, "-d", SCRATCH)
        with zipfile.ZipFile(next(SCRATCH.glob("silero_vad-*.whl"))) as archive:
            out.write_bytes(archive.read(MODEL))
    return out


def speech_files() -> list[Path]:
    folder = SCRATCH / "speech"
    if not folder.exists():
        run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", SPEECH, cwd=SCRATCH)
        run("dpkg", "-x", next(SCRATCH.glob(f"{SPEECH}_*.deb")), folder)
    return sorted(folder.rglob("*.wav"))


def read_speech(seconds_max: int) -> list[float]:
    """Recordings one after the other at 16 kHz; of 8 kHz each sample twice, which is rough but the same for both."""
    samples: list[float] = []
    files = speech_files()
    random.Random(1).shuffle(files)
    for file in files:
        if len(samples) >= seconds_max * 16000:
            break
        with wave.open(str(file)) as recording:
            if (recording.getnchannels(), recording.getsampwidth()) != (1, 2):
                continue
            pcm = array("h", recording.readframes(recording.getnframes()))
            times = 16000 // recording.getframerate()
            samples += [value / 32768 for value in pcm for _ in range(times)]
    if not samples:
        raise SystemExit("compare: no recording was found")
    return samples


def in_noise(samples: list[float], snr_db: int | None) -> list[float]:
    if snr_db is None:
        return samples
    power = sum(value * value for value in samples) / len(samples)
    noise, deviation = random.Random(snr_db), (power / 10 ** (snr_db / 10)) ** 0.5
    return [max(-1.0, min(1.0, value + noise.gauss(0, deviation))) for value in samples]


def write_samples() -> list[Path]:
    files: list[Path] = []
    for signal in SIGNALS:
        files.append(SCRATCH / f"{signal}.f32")
        files[-1].write_bytes(run(PROBE, "signal", signal))
    speech = read_speech(SPEECH_S_MAX)
    speech = speech[: len(speech) // WINDOW * WINDOW]
    for snr in SNRS_DB:
        files.append(SCRATCH / ("speech.f32" if snr is None else f"speech_{snr}_db.f32"))
        files[-1].write_bytes(array("f", in_noise(speech, snr)).tobytes())
    return files


def read_floats(data: bytes) -> array[float]:
    return array("f", data)


def computed(variant: str, file: Path) -> array[float] | None:
    done = subprocess.run([PROBE, "run", variant], input=file.read_bytes(), stdout=subprocess.PIPE)
    if done.returncode == MISSING_VARIANT:
        return None
    done.check_returncode()
    return read_floats(done.stdout)


def compare(file: Path) -> float:
    """The largest difference of any instruction set, printed for each."""
    expected = read_floats(Path(f"{file}.expected").read_bytes())
    speech = sum(value >= 0.5 for value in expected) / len(expected)
    worst, cells = 0.0, list[str]()
    for variant in VARIANTS:
        got = computed(variant, file)
        if got is None:
            cells.append(f"{variant} not here")
            continue
        if len(got) != len(expected):
            raise SystemExit(f"compare: {file.name}: {len(got)} windows, not {len(expected)}")
        difference = max(abs(a - b) for a, b in zip(got, expected, strict=True))
        worst = max(worst, difference)
        cells.append(f"{variant} {difference:.1e}")
    print(f"{file.stem:18} {len(expected):6} windows, {speech:4.0%} speech: {', '.join(cells)}")
    return worst


def write_golden(files: list[Path]) -> None:
    rows: list[str] = []
    for file in files[: len(SIGNALS)]:
        values = read_floats(Path(f"{file}.expected").read_bytes())
        rows.append(f"    [NET_{file.stem.upper()}] = {{" + ", ".join(f"{value:.6f}F" for value in values) + "},")
    lines = [
        "// SPDX-License-Identifier: Apache-2.0",
        "/* What onnxruntime makes of the tests' sounds; written by bench/net/compare.py. */",
        "#pragma once",
        '#include "audio/net_signals_test.h"',
        "",
        "static const float NET_GOLDEN[NET_SIGNAL_COUNT][NET_SIGNAL_WINDOWS] = {",
        *rows,
        "};",
        "",
    ]
    GOLDEN.write_text("\n".join(lines))
    run("clang-format-19", "-i", GOLDEN)
    print(f"wrote {GOLDEN.relative_to(ROOT)}")


def main() -> int:
    parser = argparse.ArgumentParser(description="the voice network in C against onnxruntime")
    parser.add_argument("--write-golden", action="store_true")
    arguments = parser.parse_args()
    run(ROOT / "scripts" / "build", "release")
    SCRATCH.mkdir(parents=True, exist_ok=True)
    python = environment()
    files = write_samples()
    run(python, "-c", REFERENCE, model(python), stdin=json.dumps([str(file) for file in files]).encode())
    worst = max(compare(file) for file in files)
    print(f"largest difference {worst:.1e}, at most {LIMIT:.0e}")
    if arguments.write_golden:
        write_golden(files)
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
