/* SPDX-License-Identifier: Apache-2.0 */
/* The processor's own clock, as its architecture has it. */
#ifndef TICKS_H
#define TICKS_H

/*
 * Where QEMU runs with icount: instructions, since each takes a nanosecond of the guest's. Of
 * arm64's counter, which does not count each one, to within the 16 that a tick of 62.5 MHz takes.
 */
unsigned long long processor_ticks(void);

#endif
