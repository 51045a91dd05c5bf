/* SPDX-License-Identifier: Apache-2.0 */
/* Words that go from the processor to the user of a pin and back, page by page. */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "pins.h"

/* A pin, and the memory it is of. */
struct exchange {
	const struct pin_path *path;
	void *pin;
	char *address;
	size_t bytes;
	bool writable; /* the pin's user may write */
};

/* Pages where one did not see what the other had written. */
struct exchanged {
	size_t places; /* pages looked at */
	size_t read;   /* the user of the pin read other than the processor had written */
	size_t written; /* the processor read other than the user of the pin had written */
	size_t first;	/* bytes from the start of the pin to the first of them */
};

/* Exchange a word in some pages of the pin, and leave them as they were; false after failed(). */
bool exchange_words(const struct exchange *exchange, struct exchanged *seen);

#endif
