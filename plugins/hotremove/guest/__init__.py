# SPDX-License-Identifier: Apache-2.0
"""Guests: topology, libvirt domain, console, control channel, snapshots."""
