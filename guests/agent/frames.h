/* SPDX-License-Identifier: Apache-2.0 */
/* Replies on their way to the host: a queue of frames, sent as the port takes them. */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdbool.h>
#include <stddef.h>

/* With its header a full frame fits the 32 KiB that virtio_console sends in one buffer. */
#define FRAME_PAYLOAD 32704

/* False once enough is queued: producers then leave their data where it is. */
bool frames_room(void);
bool frames_pending(void);

/* Queue a frame without payload, `ID WORD ...`. */
void frame_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Queue `ID KIND LENGTH` and the payload behind it. */
void frame_data(unsigned long long id, const char *kind, const void *payload, size_t length);

/* Queue text as it is, for people. */
void frame_text(const char *text);

/* The first thing a host that has just connected reads. */
void frames_announce(void);

/* The host end closed: a frame it got a part of goes again as a whole. */
void frames_rewind(void);

/* Write as much as the port takes now; false when the port is gone. */
bool frames_send(int port);

#endif
