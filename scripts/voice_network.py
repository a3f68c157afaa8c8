#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Takes the weights of Silero VAD's 16 kHz network out of its wheel: voice_network.py WHEEL OUT

OUT is a safetensors file with the tensors' names of the wheel's own silero_vad_16k.safetensors. That file itself holds
another training of the same network (docs/adr/0005-voice-network-in-c.md), so the weights are read from the ONNX file,
which is what everybody runs. The bytes written depend on nothing but the wheel.
"""

import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

MEMBER = "silero_vad/data/silero_vad_16k_op15.onnx"
MEMBER_MAX = 4 << 20
CONVOLUTIONS = [(128, 129), (64, 128), (64, 64), (128, 64)]  # outputs, inputs
LSTM = {"weight_ih": [512, 128], "weight_hh": [512, 128], "bias_ih": [512], "bias_hh": [512]}
# Field numbers of onnx.proto.
MODEL_GRAPH = 7
GRAPH_INITIALIZER = 5
TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW = 1, 2, 8, 9
FLOAT = 1
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def tensors() -> Iterator[tuple[str, str, list[int]]]:
    """In the order of the file that is written: our name, the name in the graph, the shape."""
    yield "stft_conv.weight", "model.stft.forward_basis_buffer", [258, 1, 256]
    for layer, (outputs, inputs) in enumerate(CONVOLUTIONS):
        ours, theirs = f"conv{layer + 1}", f"model.encoder.{layer}.reparam_conv"
        yield f"{ours}.weight", f"{theirs}.weight", [outputs, inputs, 3]
        yield f"{ours}.bias", f"{theirs}.bias", [outputs]
    for kind, shape in LSTM.items():
        yield f"lstm_cell.{kind}", f"model.decoder.rnn.{kind}", shape
    yield "final_conv.weight", "model.decoder.decoder.2.weight", [1, 128, 1]
    yield "final_conv.bias", "model.decoder.decoder.2.bias", [1]


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of one protobuf message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == VARINT:
            value, at = varint(data, at)
            yield key >> 3, value
            continue
        if kind == BYTES:
            size, at = varint(data, at)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise SystemExit(f"voice_network: a field of the kind {kind}")
        yield key >> 3, data[at : at + size]
        at += size


def messages(data: bytes, number: int) -> Iterator[bytes]:
    return (value for field, value in fields(data) if field == number and isinstance(value, bytes))


def tensor(data: bytes) -> tuple[str, list[int], bytes]:
    """Name, shape and bytes of a tensor of floats; of any other the bytes are empty."""
    name, dims, kind, raw = "", list[int](), 0, b""
    for field, value in fields(data):
        if isinstance(value, int):
            if field == TENSOR_DIMS:
                dims.append(value)
            elif field == TENSOR_TYPE:
                kind = value
        elif field == TENSOR_DIMS:  # packed
            at = 0
            while at < len(value):
                dim, at = varint(value, at)
                dims.append(dim)
        elif field == TENSOR_NAME:
            name = value.decode()
        elif field == TENSOR_RAW:
            raw = value
    return name, dims, raw if kind == FLOAT else b""


def safetensors(model: bytes) -> bytes:
    found: dict[str, tuple[list[int], bytes]] = {}
    for graph in messages(model, MODEL_GRAPH):
        for initializer in messages(graph, GRAPH_INITIALIZER):
            name, dims, raw = tensor(initializer)
            found[name] = (dims, raw)
    header: dict[str, object] = {}
    body = b""
    for ours, theirs, shape in tensors():
        dims, raw = found.get(theirs, ([], b""))
        if dims != shape or not raw:
            raise SystemExit(f"voice_network: {theirs} is not a tensor of floats of the shape {shape}")
        header[ours] = {"dtype": "F32", "shape": shape, "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data is aligned
    return len(text).to_bytes(8, "little") + text + body


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit("usage: voice_network.py WHEEL OUT")
    wheel, out = sys.argv[1:]
    with zipfile.ZipFile(wheel) as archive:
        if archive.getinfo(MEMBER).file_size > MEMBER_MAX:
            raise SystemExit(f"voice_network: {MEMBER} is larger than {MEMBER_MAX} bytes")
        model = archive.read(MEMBER)
    Path(out).write_bytes(safetensors(model))


if __name__ == "__main__":
    main()
