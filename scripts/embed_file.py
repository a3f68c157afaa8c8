#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes one file a part of the server: embed_file.py OUT_DIR SYMBOL FILE SHA256SUMS

Writes NAME.S (the file's bytes, at SYMBOL) and NAME.c (SYMBOL_size), where NAME is the file's without its ending. Fails
unless the file has the hash that SHA256SUMS tells.
"""

import hashlib
import sys
from pathlib import Path

from embed import SPDX, assembly


def expected_hash(sums: Path, name: str) -> str:
    for line in sums.read_text().splitlines():
        digest, _, listed = line.partition("  ")
        if listed == name:
            return digest
    raise SystemExit(f"embed: {sums.name} does not list {name}")


def main() -> None:
    if len(sys.argv) != 5:
        raise SystemExit("usage: embed_file.py OUT_DIR SYMBOL FILE SHA256SUMS")
    out, symbol, file, sums = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected_hash(sums, file.name):
        raise SystemExit(f"embed: {file.name} is not the file that {sums.name} lists; remove it and run scripts/setup")
    (out / f"{file.stem}.S").write_text(assembly(symbol, file, digest))
    lines = [f"// {SPDX}", "#include <stdint.h>", f"extern const uint64_t {symbol}_size;"]
    (out / f"{file.stem}.c").write_text("\n".join([*lines, f"const uint64_t {symbol}_size = {len(content)};", ""]))


if __name__ == "__main__":
    main()
