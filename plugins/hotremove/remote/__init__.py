# SPDX-License-Identifier: Apache-2.0
"""Guests on other machines: hosts, leases, slots, storage, streams."""
