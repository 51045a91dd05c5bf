/* SPDX-License-Identifier: Apache-2.0 */
/* Pins made and released, and what can be done with the last of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "commands.h"
#include "exchange.h"
#include "part.h"
#include "pattern.h"
#include "pins.h"
#include "words.h"

#define PINS_LIMIT 64

static struct {
	const struct pin_path *path;
	void *pin;
	size_t offset; /* of the range pinned, in the memory */
	size_t bytes;
	bool writable;
} held[PINS_LIMIT];
static size_t held_count;

static bool take_pin_key(const char *key, const char *value, void *into)
{
	struct pin_request *request = into;
	unsigned long long number = 0;
	bool is_number = parse_number(value, &number);

	if (!strcmp(key, "device"))
		request->device = value;
	else if (!strcmp(key, "entry"))
		request->entry = value;
	else if (!is_number)
		return false;
	else if (!strcmp(key, "pid"))
		request->pid = number;
	else if (!strcmp(key, "group"))
		request->group = number;
	else if (!strcmp(key, "iova"))
		request->iova = number;
	else if (!strcmp(key, "offset"))
		request->offset = number;
	else if (!strcmp(key, "bytes"))
		request->bytes = number;
	else if (!strcmp(key, "batch"))
		request->batch = number;
	else if (!strcmp(key, "write"))
		request->writable = number;
	else if (!strcmp(key, "odp"))
		request->on_demand = number;
	else if (!strcmp(key, "window"))
		request->window = number;
	else if (!strcmp(key, "detached"))
		request->detached = number;
	else if (!strcmp(key, "clean"))
		request->clean = number;
	else if (!strcmp(key, "longterm"))
		request->short_term = !number;
	else
		return false;
	return true;
}

static const char *check_range(struct pin_request *request)
{
	if (request->offset % SMALL_PAGE || request->bytes % SMALL_PAGE ||
	    request->batch % SMALL_PAGE)
		return "offset, bytes and batch are multiples of the page size";
	if (request->offset >= memory.bytes)
		return "offset lies behind the memory";
	if (!request->bytes)
		request->bytes = memory.bytes - request->offset;
	if (request->bytes > memory.bytes - request->offset)
		return "offset and bytes reach behind the memory";
	request->address = memory.address + request->offset;
	return NULL;
}

static void pin(const struct pin_path *path, const struct pin_request *request)
{
	struct pin_result result = {0};
	void *made = path->pin(request, &result);

	if (!made)
		return answer_failure();
	held[held_count].path = path;
	held[held_count].pin = made;
	held[held_count].offset = request->offset;
	held[held_count].writable = request->writable;
	held[held_count++].bytes = result.bytes;
	answer("{\"event\": \"pinned\", \"path\": \"%s\", \"bytes\": %zu, \"calls\": %lu, "
	       "\"seconds\": %.9f, \"ended\": %.9f, \"ticks\": %llu}",
	       path->name, result.bytes, result.calls, result.seconds, stopwatch(), result.ticks);
}

void command_pin(void)
{
	struct pin_request request = {
		.entry = "fast", .group = -1, .writable = !pins_read_only, .fd = memory.fd};
	const char *name = strtok(NULL, " ");
	const struct pin_path *path = name ? pin_path(name) : NULL;
	const char *wrong = take_keys(take_pin_key, &request);

	if (!wrong)
		wrong = check_range(&request);
	if (!path)
		wrong = "there is no pin path PATH";
	if (held_count == PINS_LIMIT)
		wrong = "too many pins are held";
	if (wrong)
		return answer_misunderstood(wrong);
	pin(path, &request);
}

void command_unpin(void)
{
	double start = stopwatch();

	while (held_count) {
		held_count--;
		held[held_count].path->unpin(held[held_count].pin);
	}
	answer("{\"event\": \"unpinned\", \"seconds\": %.9f}", stopwatch() - start);
}

void pins_forget(void)
{
	held_count = 0;
}

/* Of the last pin made. */
void command_report(void)
{
	const struct pin_path *path = held_count ? held[held_count - 1].path : NULL;
	char *runs = NULL;
	size_t size;
	FILE *text;
	bool good;

	if (!path || !path->report)
		return answer_misunderstood("only a pin by kmod can be reported");
	text = open_memstream(&runs, &size);
	good = text ? path->report(held[held_count - 1].pin, text) : failed("open_memstream");
	if (text)
		fclose(text);
	if (good)
		answer("{\"event\": \"report\", \"runs\": [%s]}", runs);
	else
		answer_failure();
	free(runs);
}

/* Of the last pin made. Returns what is wrong with the command, or NULL. */
static const char *take_part(struct part *part)
{
	if (!held_count || !held[held_count - 1].path->transfer)
		return "no device can be made to use the last pin";
	return part_take(part, held[held_count - 1].bytes);
}

/* Move the part chunk by chunk; counts the bytes that are not as the pattern says. */
static bool move(const struct part *part, enum dma_direction direction, size_t *mismatches)
{
	static char chunk[DMA_CHUNK];
	const struct pin_path *path = held[held_count - 1].path;
	void *pin = held[held_count - 1].pin;

	*mismatches = 0;
	for (size_t done = 0, length; done < part->bytes; done += length) {
		size_t place = held[held_count - 1].offset + part->offset + done;

		length = part->bytes - done < DMA_CHUNK ? part->bytes - done : DMA_CHUNK;
		if (direction == TO_MEMORY)
			pattern_fill(chunk, length, place, part->seed);
		if (!path->transfer(pin, part->offset + done, chunk, length, direction))
			return false;
		if (direction == FROM_MEMORY)
			*mismatches += pattern_mismatches(chunk, length, place, part->seed);
	}
	return true;
}

void command_dma_fill(void)
{
	struct part part;
	const char *wrong = take_part(&part);
	size_t mismatches;

	if (wrong)
		return answer_misunderstood(wrong);
	memory.marked = false;
	if (!move(&part, TO_MEMORY, &mismatches))
		return answer_failure();
	answer("{\"event\": \"dma-filled\", \"bytes\": %zu}", part.bytes);
}

void command_dma_verify(void)
{
	struct part part;
	const char *wrong = take_part(&part);
	size_t mismatches;

	if (wrong)
		return answer_misunderstood(wrong);
	if (!move(&part, FROM_MEMORY, &mismatches))
		return answer_failure();
	answer("{\"event\": \"dma-verified\", \"bytes\": %zu, \"mismatches\": %zu}", part.bytes,
	       mismatches);
}

static bool exchange_with(size_t index, struct exchanged *seen)
{
	const struct exchange exchange = {
		.path = held[index].path,
		.pin = held[index].pin,
		.address = memory.address + held[index].offset,
		.bytes = held[index].bytes,
		.writable = held[index].writable,
	};

	return exchange_words(&exchange, seen);
}

/* Of every pin that is held, by its path's name. */
void command_exchange(void)
{
	char *told = NULL;
	size_t size;
	FILE *text = open_memstream(&told, &size);
	bool good = text || failed("open_memstream");

	for (size_t index = 0; good && index < held_count; index++) {
		struct exchanged seen;

		good = exchange_with(index, &seen);
		fprintf(text, "%s[\"%s\", %zu, %zu, %zu, %zu]", index ? ", " : "",
			held[index].path->name, seen.places, seen.read, seen.written, seen.first);
	}
	if (text)
		fclose(text);
	if (good)
		answer("{\"event\": \"exchanged\", \"pins\": [%s]}", told);
	else
		answer_failure();
	free(told);
}
