/* SPDX-License-Identifier: Apache-2.0 */
/* The holder's answers: one line of JSON each, and the failure to tell in the next one. */
#ifndef ANSWERS_H
#define ANSWERS_H

#include <stdbool.h>

/* Print one line and flush it. */
void answer(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Remember that `call` failed with errno (or `number`); always false, to be returned. */
bool failed(const char *call);
bool failed_with(const char *call, int number);

/* Tell the remembered failure. */
void answer_failure(void);

/* Tell that a command was not understood. */
void answer_misunderstood(const char *why);

/* Seconds of a clock that only goes forward. */
double stopwatch(void);

#endif
