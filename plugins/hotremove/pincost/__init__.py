# SPDX-License-Identifier: Apache-2.0
"""What pins cost: measured in instructions, and how it grows."""
