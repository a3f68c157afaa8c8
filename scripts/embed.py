#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns files into a part of the server: embed.py OUT_DIR /url/path=FILE ...

Writes OUT_DIR/assets.bin (the bytes, one file after the other), assets.S (which includes them, so that they stay backed
by the program's file and no compiler has to read a huge array) and assets.c (the table of server/src/http/assets.h).
Text is stored compressed. A .yaml file is embedded as the JSON that it means.
"""

import gzip
import hashlib
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple, cast

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".yaml": "application/json",
}
ALREADY_COMPRESSED = {".png", ".woff2"}
SPDX = "SPDX-License-Identifier: Apache-2.0"


class Asset(NamedTuple):
    path: str  # of the URL
    content_type: str
    etag: str
    content: bytes
    packed: bool  # content is gzip


def with_string_keys(value: Any) -> Any:
    """Status codes are written as numbers in YAML, and JSON has only strings as keys."""
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return {str(key): with_string_keys(item) for key, item in items}
    if isinstance(value, list):
        return [with_string_keys(item) for item in cast("list[object]", value)]
    return value


def yaml_to_json(text: str) -> bytes:
    import yaml

    class Loader(yaml.SafeLoader):
        """Without dates: an example that looks like one is a string in JSON."""

    Loader.yaml_implicit_resolvers = {
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    value = with_string_keys(yaml.load(text, Loader=Loader))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def read_asset(spec: str) -> Asset:
    """/url/path=FILE"""
    path, _, name = spec.partition("=")
    file = Path(name)
    content = file.read_bytes()
    if not path.startswith("/") or not content:
        raise SystemExit(f"embed: {spec}: want /url/path=FILE, and the file not empty")
    if file.suffix == ".yaml":
        content = yaml_to_json(content.decode())
    etag = 'W/"' + hashlib.sha256(content).hexdigest()[:32] + '"'
    packed = file.suffix not in ALREADY_COMPRESSED
    if packed:
        content = gzip.compress(content, compresslevel=9, mtime=0)
    return Asset(path, CONTENT_TYPES[file.suffix], etag, content, packed)


def c_string(text: str) -> str:
    return json.dumps(text)


def table(assets: list[Asset]) -> str:
    lines = [f"// {SPDX}", '#include "http/assets.h"', "extern const unsigned char xr_assets_bin[];"]
    lines += ["const struct xr_asset XR_ASSETS[] = {"]
    offset = 0
    for path, content_type, etag, content, packed in assets:
        lines.append(
            f"    {{{c_string(path)}, {c_string(content_type)}, {c_string(etag)}, "
            f"xr_assets_bin + {offset}, {len(content)}, {'true' if packed else 'false'}}},"
        )
        offset += len(content)
    lines += ["    {0},", "};", ""]
    return "\n".join(lines)


def assembly(symbol: str, file: Path, digest: str) -> str:
    return "\n".join(
        [
            # The digest makes a changed file a changed source to whatever caches compilations.
            f"/* {SPDX} {digest} */",
            '    .section .rodata, "a"',
            "    .balign 16",
            f"    .global {symbol}",
            f"    .type {symbol}, @object",
            f"{symbol}:",
            f"    .incbin {c_string(str(file.resolve()))}",
            f"    .size {symbol}, . - {symbol}",
            '    .section .note.GNU-stack, "", @progbits',
            "",
        ]
    )


def main() -> None:
    out, specs = Path(sys.argv[1]), sys.argv[2:]
    if not specs:
        raise SystemExit("embed: no files given")
    assets = [read_asset(spec) for spec in specs]
    bin_file = out / "assets.bin"
    content = b"".join(content for _, _, _, content, _ in assets)
    bin_file.write_bytes(content)
    (out / "assets.S").write_text(assembly("xr_assets_bin", bin_file, hashlib.sha256(content).hexdigest()))
    (out / "assets.c").write_text(table(assets))


if __name__ == "__main__":
    main()
