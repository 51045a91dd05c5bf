/* SPDX-License-Identifier: Apache-2.0 */
#include "words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool parse_number(const char *word, unsigned long long *number)
{
	char *end;

	if (*word < '0' || *word > '9')
		return false;
	errno = 0;
	*number = strtoull(word, &end, 0);
	return !errno && !*end;
}

const char *take_keys(take_key *take, void *into)
{
	char *word, *value;

	while ((word = strtok(NULL, " "))) {
		value = strchr(word, '=');
		if (!value)
			return "a command takes key=value words";
		*value++ = '\0';
		if (!take(word, value, into))
			return "a key is unknown or its value not a number";
	}
	return NULL;
}
