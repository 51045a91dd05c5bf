# SPDX-License-Identifier: Apache-2.0
"""Kernel logs, in whatever form they came: lines, reports, where it happened."""
