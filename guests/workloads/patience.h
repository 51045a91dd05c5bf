/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PATIENCE_H
#define PATIENCE_H

/*
 * Seconds after which what a device is asked for counts as lost. It takes milliseconds; on a busy
 * host, while the guest's kernel dumps page after page to its console, more than 20 s were seen.
 * A request to the holder as a whole is given 120 s.
 */
#define PATIENCE 90

#endif
