# SPDX-License-Identifier: Apache-2.0
"""Sizes in bytes."""

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
PAGE = 4096
"""A base page on x86-64."""
