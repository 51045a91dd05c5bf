/* SPDX-License-Identifier: Apache-2.0 */
#include "part.h"

#include <stdint.h>
#include <string.h>

#include "words.h"

static bool take_key_of_part(const char *key, const char *value, void *into)
{
	struct part *part = into;
	unsigned long long number;

	if (!parse_number(value, &number) || number % sizeof(uint64_t))
		return false;
	if (!strcmp(key, "offset"))
		part->offset = number;
	else if (!strcmp(key, "bytes"))
		part->bytes = number;
	else
		return false;
	return true;
}

const char *part_take(struct part *part, size_t most)
{
	const char *seed = strtok(NULL, " ");

	*part = (struct part){0};
	if (!seed || !parse_number(seed, &part->seed))
		return "SEED is not a number";
	return part_take_place(part, most);
}

const char *part_take_place(struct part *part, size_t most)
{
	const char *wrong = take_keys(take_key_of_part, part);

	if (wrong)
		return wrong;
	if (part->offset >= most)
		return "offset lies behind the range";
	if (!part->bytes)
		part->bytes = most - part->offset;
	return part->bytes > most - part->offset ? "offset and bytes reach behind the range" : NULL;
}
