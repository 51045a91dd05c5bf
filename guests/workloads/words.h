/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a command line: strtok(3) goes from one to the next. */
#ifndef WORDS_H
#define WORDS_H

#include <stdbool.h>

/* A whole word as a number that is not negative, decimal or with 0x. */
bool parse_number(const char *word, unsigned long long *number);

/*
 * Hand the rest of the command, words `key=value`, to `take`, which says whether it knows the key
 * and likes the value. Returns what is wrong, or NULL.
 */
typedef bool take_key(const char *key, const char *value, void *into);
const char *take_keys(take_key *take, void *into);

#endif
