/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that a device without hardware has: lib/test_hmm.c, /dev/hmm_dmirror0. */
#ifndef HMM_H
#define HMM_H

#include <stdbool.h>
#include <stddef.h>

/* Move pages into the device's own memory, which the processor cannot reach; a touch brings them back. */
bool hmm_move_to_device(char *address, size_t bytes);

/* Leave pages where they are and have the device alone use them, until the processor touches them. */
bool hmm_make_exclusive(char *address, size_t bytes);

#endif
