#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that no source file has more than 800 lines and no C function more than 60. Fails when it checked no file."""

import subprocess
import sys
from pathlib import Path

FILE_MAX = 800
FUNCTION_MAX = 60


def long_functions(path: Path, lines: list[str]) -> list[str]:
    found: list[str] = []
    head = start = None  # head: the last line that began in column 0, where a wrapped signature starts
    for number, line in enumerate(lines, 1):
        if start is None and line[:1].isalpha():
            head = number
        if start is None and head is not None and line.rstrip().endswith(") {"):
            start = head
        elif line.startswith("}"):
            if start is not None and number - start > FUNCTION_MAX:
                found.append(f"{path}:{start}: a function of {number - start} lines (at most {FUNCTION_MAX})")
            head = start = None
    return found


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    listed = subprocess.run(
        ["git", "ls-files", "*.c", "*.h", "*.py", "*.ts", "*.tsx"], cwd=root, check=True, capture_output=True, text=True
    ).stdout.split()
    files = [root / name for name in listed if (root / name).exists()]
    if not files:
        print("sizes: no file was checked", file=sys.stderr)
        return 1
    found: list[str] = []
    for path in files:
        lines = path.read_text().splitlines()
        name = path.relative_to(root)
        if len(lines) > FILE_MAX:
            found.append(f"{name}: {len(lines)} lines (at most {FILE_MAX})")
        if path.suffix == ".c":
            found += long_functions(name, lines)
    for problem in found:
        print(problem, file=sys.stderr)
    print(f"sizes: {len(files)} files, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
