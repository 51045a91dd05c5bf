/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange.h"

#include <stdint.h>

#include "memory.h"

static bool note(struct exchanged *seen, size_t *count, size_t offset)
{
	if (!seen->read && !seen->written)
		seen->first = offset;
	++*count;
	return true;
}

static bool move(const struct exchange *exchange, size_t offset, uint64_t *word,
		 enum dma_direction direction)
{
	return exchange->path->transfer(exchange->pin, offset, word, sizeof(*word), direction);
}

/* What the processor has written is there for the user of the pin. */
static bool read_one(const struct exchange *exchange, size_t offset, struct exchanged *seen)
{
	volatile uint64_t *word = (volatile uint64_t *)(exchange->address + offset);
	uint64_t read = 0;

	if (!move(exchange, offset, &read, FROM_MEMORY))
		return false;
	return read == *word || note(seen, &seen->read, offset);
}

static bool write_one(const struct exchange *exchange, size_t offset, struct exchanged *seen)
{
	volatile uint64_t *word = (volatile uint64_t *)(exchange->address + offset);
	uint64_t before = *word, other = ~before;

	if (!move(exchange, offset, &other, TO_MEMORY))
		return false;
	if (*word != other)
		note(seen, &seen->written, offset);
	*word = before;
	return read_one(exchange, offset, seen);
}

static size_t count_places(const struct exchange *exchange)
{
	size_t pages = exchange->bytes / SMALL_PAGE;
	size_t most = exchange->path->places ? exchange->path->places(exchange->pin) : 0;

	return pages < most ? pages : most;
}

/* The first page, the last, and others evenly between. */
static size_t place(const struct exchange *exchange, size_t index, size_t places)
{
	size_t last = exchange->bytes / SMALL_PAGE - 1;

	return places > 1 ? last * index / (places - 1) * SMALL_PAGE : 0;
}

bool exchange_words(const struct exchange *exchange, struct exchanged *seen)
{
	size_t places = count_places(exchange);

	*seen = (struct exchanged){0};
	for (; seen->places < places; seen->places++) {
		size_t offset = place(exchange, seen->places, places);

		if (!read_one(exchange, offset, seen))
			return false;
		if (exchange->writable && !exchange->path->only_reads &&
		    !write_one(exchange, offset, seen))
			return false;
	}
	return true;
}
