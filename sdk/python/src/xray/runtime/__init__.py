# SPDX-License-Identifier: Apache-2.0
"""Transports that carry a conversation to an agent. Each is a module of its own, so that its packages are optional."""
