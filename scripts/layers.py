#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the layers of server/src: an include may point to the same folder or to a lower one, never up.

Also: each third-party library is included by one folder only, and SQL lives in store/ and queue/. Fails when it checked
no file.
"""

import re
import sys
from pathlib import Path

# From the bottom up; ARCHITECTURE.md has the picture.
LAYERS = [
    ["base"],
    ["audio", "spec", "events", "otlp"],
    ["metrics"],
    ["evaluate"],
    ["store"],
    ["queue"],
    ["providers"],
    ["speech"],
    ["jobs"],
    ["http"],
    ["config"],
    ["cli"],
    ["main.c"],
]
# Who may include a library's headers.
LIBRARIES = {
    "microhttpd.h": "http",
    "sqlite3.h": "store",
    "yyjson.h": "base",
    "utf8proc.h": "base",
    "openssl/": "base",
    "soxr.h": "audio",
    "quickjs": "evaluate",
    "flite/": "providers",
    "pocketsphinx": "providers",
    "sphinxbase/": "providers",
    "libstemmer.h": "providers",
    "cmocka.h": "base",
    "zlib.h": "base",
    "curl/": "providers",
}
# What tests may include anywhere: speech to test with.
TEST_LIBRARIES = ("flite/",)
SQL = re.compile(r'"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE|PRAGMA)\s')
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]', re.MULTILINE)


def rank_of(folder: str) -> int:
    for rank, folders in enumerate(LAYERS):
        if folder in folders:
            return rank
    raise SystemExit(f"layers: {folder} is in no layer; add it to scripts/layers.py and ARCHITECTURE.md")


def problems_of(path: Path, root: Path) -> list[str]:
    folder = path.relative_to(root).parts[0]
    text = path.read_text()
    found: list[str] = []
    for name in INCLUDE.findall(text):
        target = name.split("/")[0]
        if ".." in Path(name).parts:
            found.append(f"{path}: {name} leaves its folder by a relative path")
        ours = (root / name).exists() and target != folder
        if ours and rank_of(target) >= rank_of(folder):
            found.append(f"{path}: {folder}/ may not include {name}")
        for prefix, owner in LIBRARIES.items():
            lent = path.name.endswith("_test.c") and prefix in TEST_LIBRARIES
            if name.startswith(prefix) and folder != owner and not lent:
                found.append(f"{path}: only {owner}/ may include {name}")
    if folder not in ("store", "queue") and not path.name.endswith("_test.c") and SQL.search(text):
        found.append(f"{path}: SQL belongs to store/ and queue/")
    return found


def main() -> int:
    root = Path(__file__).resolve().parent.parent / "server" / "src"
    files = sorted(path for path in root.rglob("*.[ch]"))
    if not files:
        print("layers: no file was checked", file=sys.stderr)
        return 1
    found = [problem for path in files for problem in problems_of(path, root)]
    for problem in found:
        print(problem, file=sys.stderr)
    print(f"layers: {len(files)} files, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
