# SPDX-License-Identifier: Apache-2.0
"""What a guest shows: dmesg, page dumps, counters, pagemap."""
