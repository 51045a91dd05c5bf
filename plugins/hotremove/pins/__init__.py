# SPDX-License-Identifier: Apache-2.0
"""Ways to pin memory: one pin path a file."""
