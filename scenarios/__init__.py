# SPDX-License-Identifier: Apache-2.0
"""The qualification suite: each file one question about memory hot-remove, no plumbing."""
