# SPDX-License-Identifier: Apache-2.0
"""What set-up and the build do with the voice network's weights: nothing but the pinned ones gets in."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import voice_network

SCRIPTS = Path(voice_network.__file__).parent


def field(number: int, value: bytes | int) -> bytes:
    """One field of a protobuf message."""
    if isinstance(value, int):
        return bytes([number << 3]) + encode(value)
    return bytes([number << 3 | 2]) + encode(len(value)) + value


def encode(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def onnx_tensor(name: str, shape: list[int], kind: int = 1) -> bytes:
    size = 4
    for dim in shape:
        size *= dim
    dims = b"".join(field(1, dim) for dim in shape)
    return dims + field(2, kind) + field(8, name.encode()) + field(9, name.encode()[-1:] * size)


def onnx_model(without: str = "", kind: int = 1) -> bytes:
    graph = b"".join(
        field(5, onnx_tensor(name, shape, kind)) for _, name, shape in voice_network.tensors() if name != without
    )
    return field(1, 8) + field(7, field(2, b"graph") + graph)


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPTS / script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_tensors_are_written_one_after_the_other_under_their_names():
    out = voice_network.safetensors(onnx_model())
    length = int.from_bytes(out[:8], "little")
    header, body = json.loads(out[8 : 8 + length]), out[8 + length :]
    assert (8 + length) % 8 == 0
    end = 0
    for ours, theirs, shape in voice_network.tensors():
        entry = header.pop(ours)
        assert (entry["dtype"], entry["shape"], entry["data_offsets"][0]) == ("F32", shape, end)
        end = entry["data_offsets"][1]
        assert body[end - 4 : end] == theirs.encode()[-1:] * 4
    assert not header
    assert end == len(body)


@pytest.mark.parametrize(
    "model",
    [b"", onnx_model(without="model.decoder.rnn.bias_ih"), onnx_model(kind=10), field(7, field(5, b""))],
    ids=["empty", "a tensor is missing", "other numbers", "an empty tensor"],
)
def test_a_model_that_is_another_is_refused(model: bytes):
    with pytest.raises(SystemExit, match="is not a tensor of floats"):
        voice_network.safetensors(model)


def test_a_wheel_with_another_model_leaves_no_file(tmp_path: Path):
    wheel, out = tmp_path / "some.whl", tmp_path / "out"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(voice_network.MEMBER, onnx_model(without="model.decoder.decoder.2.bias"))
    done = run("voice_network.py", wheel, out)
    assert done.returncode == 1
    assert "decoder.2.bias is not" in done.stderr
    assert not out.exists()


def test_the_build_embeds_the_listed_file_only(tmp_path: Path):
    file, sums = tmp_path / "some.bin", tmp_path / "SHA256SUMS"
    file.write_bytes(b"weights")
    sums.write_text(f"{hashlib.sha256(b'weights').hexdigest()}  some.bin\n")
    assert run("embed_file.py", tmp_path, "some_symbol", file, sums).returncode == 0
    assert "some_symbol_size = 7;" in (tmp_path / "some.c").read_text()
    assert "some_symbol:" in (tmp_path / "some.S").read_text()
    file.write_bytes(b"weighty")
    done = run("embed_file.py", tmp_path, "some_symbol", file, sums)
    assert done.returncode == 1
    assert "run scripts/setup" in done.stderr
    sums.write_text("")
    assert "does not list some.bin" in run("embed_file.py", tmp_path, "some_symbol", file, sums).stderr
