/* SPDX-License-Identifier: Apache-2.0 */
/* The module pin_hold: get_user_pages as drivers call it, by the entry and batch asked for. */
#include <errno.h>
#include <fcntl.h>
#include <pin_hold.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "answers.h"
#include "memory.h"
#include "pins.h"

/* Pages asked for in one PIN_HOLD_GET_PAGES. */
#define REPORT_PAGES 4096

struct held {
	int device;
	unsigned int handle;
	bool elsewhere; /* another's, or nobody's any more: it is not told with this one's data */
};

/* Pages that follow each other and are alike. */
struct run {
	struct pin_hold_page first;
	unsigned long long count;
};

static const char *const entries[] = {
	[PIN_HOLD_FAST] = "fast",	  [PIN_HOLD_LOCKED] = "locked",
	[PIN_HOLD_REMOTE] = "remote",	  [PIN_HOLD_UNLOCKED] = "unlocked",
	[PIN_HOLD_MEMFD] = "memfd",
};

static bool find_entry(const char *name, struct pin_hold_pin *pin)
{
	for (size_t entry = 0; entry < sizeof(entries) / sizeof(entries[0]); entry++)
		if (!strcmp(entries[entry], name)) {
			pin->entry = entry;
			return true;
		}
	return failed_with("entry is fast, locked, remote, unlocked or memfd", EINVAL);
}

static bool fill_in(struct pin_hold_pin *pin, const struct pin_request *request)
{
	*pin = (struct pin_hold_pin){
		.address = (unsigned long)request->address,
		.length = request->bytes,
		.batch = request->batch / SMALL_PAGE,
		.flags = (request->short_term ? 0 : PIN_HOLD_LONGTERM) |
			 (request->writable ? PIN_HOLD_WRITE : 0) |
			 (request->detached ? PIN_HOLD_DETACHED : 0) |
			 (request->clean ? PIN_HOLD_CLEAN : 0),
	};
	if (!find_entry(request->entry, pin))
		return false;
	if (pin->entry == PIN_HOLD_REMOTE)
		pin->pid = request->pid;
	if (pin->entry == PIN_HOLD_MEMFD) {
		pin->address = request->offset;
		pin->fd = request->fd;
	}
	return true;
}

static void unpin(void *pin)
{
	struct held *held = pin;

	if (held->device >= 0)
		close(held->device);
	free(held);
}

static bool hold(struct held *held, const struct pin_request *request, struct pin_result *result)
{
	struct pin_hold_pin pin;

	if (!fill_in(&pin, request))
		return false;
	held->device = open("/dev/pin_hold", O_RDWR | O_CLOEXEC);
	if (held->device < 0)
		return failed("open /dev/pin_hold");
	if (ioctl(held->device, PIN_HOLD_DO_PIN, &pin))
		return failed("PIN_HOLD_DO_PIN");
	held->handle = pin.handle;
	held->elsewhere = request->detached || request->pid;
	result->bytes = pin.length;
	result->calls = pin.calls;
	result->seconds = pin.nanoseconds / 1e9;
	return true;
}

static void *pin(const struct pin_request *request, struct pin_result *result)
{
	struct held *held = malloc(sizeof(*held));

	if (!held) {
		failed("malloc");
		return NULL;
	}
	held->device = -1;
	if (hold(held, request, result))
		return held;
	unpin(held);
	return NULL;
}

static bool continues(const struct run *run, const struct pin_hold_page *page)
{
	return run->count && page->pfn == run->first.pfn + run->count &&
	       page->node == run->first.node && page->order == run->first.order &&
	       !strcmp(page->zone, run->first.zone);
}

static void write_run(const struct run *run, FILE *text)
{
	if (!run->count)
		return;
	fprintf(text, "%s[%llu, %llu, %d, \"%s\", %u]", ftell(text) ? ", " : "",
		(unsigned long long)run->first.pfn, run->count, run->first.node, run->first.zone,
		run->first.order);
}

static void add_page(struct run *run, const struct pin_hold_page *page, FILE *text)
{
	if (!continues(run, page)) {
		write_run(run, text);
		*run = (struct run){.first = *page};
	}
	run->count++;
}

static bool report(void *pin, FILE *text)
{
	static struct pin_hold_page pages[REPORT_PAGES];
	const struct held *held = pin;
	struct pin_hold_pages request = {.handle = held->handle, .pages = (unsigned long)pages};
	struct run run = {.count = 0};

	do {
		request.count = REPORT_PAGES;
		if (ioctl(held->device, PIN_HOLD_GET_PAGES, &request))
			return failed("PIN_HOLD_GET_PAGES");
		for (unsigned long long index = 0; index < request.count; index++)
			add_page(&run, &pages[index], text);
		request.first += request.count;
	} while (request.count);
	write_run(&run, text);
	return true;
}

static bool move_in_page(const struct held *held, size_t offset, char *bytes, size_t length,
			 enum dma_direction direction)
{
	const struct pin_hold_move move = {
		.handle = held->handle,
		.to_memory = direction == TO_MEMORY,
		.offset = offset,
		.length = length,
		.bytes = (unsigned long)bytes,
	};

	return !ioctl(held->device, PIN_HOLD_DO_MOVE, &move) || failed("PIN_HOLD_DO_MOVE");
}

static bool transfer(void *pin, size_t offset, void *bytes, size_t length,
		     enum dma_direction direction)
{
	for (size_t done = 0, part; done < length; done += part) {
		part = SMALL_PAGE - (offset + done) % SMALL_PAGE;
		if (part > length - done)
			part = length - done;
		if (!move_in_page(pin, offset + done, (char *)bytes + done, part, direction))
			return false;
	}
	return true;
}

static size_t places(void *pin)
{
	const struct held *held = pin;

	return held->elsewhere ? 0 : pin_many_places(pin);
}

const struct pin_path pin_kmod = {
	.name = "kmod", .pin = pin, .unpin = unpin, .report = report, .transfer = transfer,
	.places = places};
