# SPDX-License-Identifier: Apache-2.0
"""The kernel's own tests, tools/testing/selftests of its source: built, run in a guest and read."""
