/* SPDX-License-Identifier: GPL-2.0-only */
/* A pin: pages held, and what it takes to let them go. */
#ifndef PINS_H
#define PINS_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "pin_hold.h"

struct page;

/* A pin under way or held; `count` of `size` entries of `pages` are taken. */
struct pin {
	struct list_head link;
	u32 handle;
	u32 entry;
	unsigned int gup_flags;
	bool clean; /* not to be marked as written when it is given back */
	unsigned long size;
	unsigned long count;
	struct page **pages;
};

/* The pins of one open file, or the detached ones. */
struct pin_list {
	struct mutex lock;
	struct list_head pins;
};

void pin_list_init(struct pin_list *list);

/* Let go of every pin in the list. */
void pin_list_empty(struct pin_list *list);

/* Put a pin in the list; gives it its handle. */
void pin_list_add(struct pin_list *list, struct pin *pin);

/* Let go of one pin; -ENOENT when the list does not have it. */
int pin_list_release(struct pin_list *list, u32 handle);

/* Fill in what a GET_PAGES asks for; -ENOENT when the list does not have the pin. */
int pin_list_report(struct pin_list *list, struct pin_hold_pages *request);

/*
 * Move what a DO_MOVE asks for; -ENOENT when the list does not have the pin, -EACCES when it was
 * not taken for writing.
 */
int pin_list_move(struct pin_list *list, const struct pin_hold_move *request);

struct pin *pin_alloc(unsigned long pages);
void pin_free(struct pin *pin);

/* The ways into get_user_pages; bit 1 << ENTRY where this kernel has it. */
u32 pin_entries(void);

/*
 * Take pages from `address` on until the pin is full, `batch` at a time. Counts the calls and the
 * nanoseconds spent in them into the request. On failure what was taken stays in the pin.
 */
int pin_take(struct pin *pin, struct pin_hold_pin *request);

/* Give back what the pin has taken. */
void pin_give_back(struct pin *pin);

#endif
