/* SPDX-License-Identifier: Apache-2.0 */
/* What the holder is told to do, line by line. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <stdbool.h>

#include "memory.h"

/* The memory held. */
extern struct memory memory;

/* Pins ask for read access unless told otherwise. */
extern bool pins_read_only;

/* Carry out lines from stdin until there are no more. */
void commands_run(void);

/* Commands in files of their own; each reads its words with strtok and answers one line. */
void command_pin(void);
void command_unpin(void);
void command_report(void);
void command_dma_fill(void);
void command_dma_verify(void);
void command_exchange(void);
void command_fork(void);
void command_child(void);
void command_reap(void);

/* In a child: what the parent holds is none of its business. */
void pins_forget(void);

#endif
