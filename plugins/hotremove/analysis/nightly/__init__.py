# SPDX-License-Identifier: Apache-2.0
"""A night: what is new of what is watched, how far it came, and what it shows."""
