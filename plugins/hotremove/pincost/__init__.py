# SPDX-License-Identifier: Apache-2.0
"""What pins cost: measured in instructions, how it grows, how it changed, told and drawn."""
