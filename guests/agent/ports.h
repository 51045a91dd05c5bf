/* SPDX-License-Identifier: Apache-2.0 */
/* The ways out of the guest: virtio-serial ports by name, or serial lines in their stead. */
#ifndef PORTS_H
#define PORTS_H

/*
 * Open the virtio-serial port called `name`, or the serial line `instead` (raw) when the guest
 * has no such port. Returns a descriptor, or -1 with errno.
 */
int port_open(const char *name, const char *instead, int flags);

#endif
