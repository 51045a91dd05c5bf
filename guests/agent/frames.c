/* SPDX-License-Identifier: Apache-2.0 */
#include "frames.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define PROTOCOL_VERSION 1
#define QUEUE_LIMIT (256 * 1024)
#define LINE_LIMIT 512
/* What a write is cut down to when the guest is out of larger contiguous memory. */
#define SMALL_WRITE 2048

struct frame {
	struct frame *next;
	size_t length;
	size_t sent;
	char bytes[];
};

static struct frame *first;
static struct frame **last = &first;
static size_t queued;

static struct frame *frame_new(size_t length)
{
	struct frame *frame = malloc(sizeof(*frame) + length);

	if (!frame)
		abort();
	frame->next = NULL;
	frame->length = length;
	frame->sent = 0;
	return frame;
}

static void append(struct frame *frame)
{
	*last = frame;
	last = &frame->next;
	queued += sizeof(*frame) + frame->length;
}

static void prepend(struct frame *frame)
{
	frame->next = first;
	if (!first)
		last = &frame->next;
	first = frame;
	queued += sizeof(*frame) + frame->length;
}

static void drop_first(void)
{
	struct frame *frame = first;

	first = frame->next;
	if (!first)
		last = &first;
	queued -= sizeof(*frame) + frame->length;
	free(frame);
}

bool frames_room(void)
{
	return queued < QUEUE_LIMIT;
}

bool frames_pending(void)
{
	return first != NULL;
}

void frame_text(const char *text)
{
	struct frame *frame = frame_new(strlen(text));

	memcpy(frame->bytes, text, frame->length);
	append(frame);
}

void frame_line(const char *format, ...)
{
	char line[LINE_LIMIT];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	if (length > (int)sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length] = '\n';
	line[length + 1] = '\0';
	frame_text(line);
}

void frame_data(unsigned long long id, const char *kind, const void *payload, size_t length)
{
	char header[64];
	int start = snprintf(header, sizeof(header), "%llu %s %zu\n", id, kind, length);
	struct frame *frame = frame_new(start + length);

	memcpy(frame->bytes, header, start);
	memcpy(frame->bytes + start, payload, length);
	append(frame);
}

void frames_announce(void)
{
	struct utsname name;
	struct frame *frame = frame_new(LINE_LIMIT);

	uname(&name);
	frame->length =
		snprintf(frame->bytes, LINE_LIMIT, "0 ready %d %s\n", PROTOCOL_VERSION, name.release);
	prepend(frame);
}

void frames_rewind(void)
{
	if (first)
		first->sent = 0;
}

/* virtio_console copies into one contiguous buffer, which a guest short of memory may not have. */
static ssize_t write_some(int port, const char *bytes, size_t length)
{
	ssize_t written = write(port, bytes, length);

	if (written < 0 && errno == ENOMEM)
		written = write(port, bytes, length < SMALL_WRITE ? length : SMALL_WRITE);
	return written;
}

bool frames_send(int port)
{
	while (first) {
		ssize_t written =
			write_some(port, first->bytes + first->sent, first->length - first->sent);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return errno == EAGAIN || errno == ENOMEM;
		first->sent += written;
		if (first->sent == first->length)
			drop_first();
	}
	return true;
}
