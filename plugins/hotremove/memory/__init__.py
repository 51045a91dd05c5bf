# SPDX-License-Identifier: Apache-2.0
"""Memory that comes and goes: one removal mechanism a file."""
