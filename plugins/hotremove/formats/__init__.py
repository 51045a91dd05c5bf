# SPDX-License-Identifier: Apache-2.0
"""Results for readers and other programs: one format a file."""
