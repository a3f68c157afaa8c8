# SPDX-License-Identifier: Apache-2.0
# Thin targets over Meson and scripts/. `make demo` and `make test` do everything on a bare machine.
T ?= 60
.PHONY: all setup build demo test e2e check format bench bench-timing bench-room fuzz clean

all: build

setup:
	scripts/setup

build: setup
	scripts/build release

demo: build
	.venv/bin/python scripts/demo.py

test: setup
	scripts/test

# Only what needs other people's programs: exporters, a LiveKit server, its agents. They are in `make test` too.
e2e: setup
	scripts/test e2e

check: setup
	scripts/check

format:
	clang-format-19 -i $$(git ls-files '*.c' '*.h')
	.venv/bin/ruff format --quiet .

bench: build
	.venv/bin/python bench/run.py
	.venv/bin/python bench/timing/run.py

bench-timing: build
	.venv/bin/python bench/timing/run.py

# Twenty-odd minutes, in which nothing else should run; `bench/room/run.py --short` takes 40 s.
bench-room: build
	.venv/bin/python bench/room/run.py

# T: seconds for each target
fuzz: setup
	scripts/fuzz $(T)

clean:
	rm -rf build
