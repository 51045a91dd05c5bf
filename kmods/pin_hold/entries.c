// SPDX-License-Identifier: GPL-2.0-only
/* Ways to pin pages, one function each: take up to `count` pages and return how many. */
#include <linux/file.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

/* Not self-contained in 7.2. */
#include <linux/memfd.h>

#include "pins.h"

/* Pages to let go of before others may run. */
#define GIVE_BACK_BATCH 4096

typedef long take_pages(const struct pin_hold_pin *request, struct pin *pin, u64 address,
			unsigned long count);

static struct page **free_entries(struct pin *pin)
{
	return pin->pages + pin->count;
}

static long take_fast(const struct pin_hold_pin *request, struct pin *pin, u64 address,
		      unsigned long count)
{
	int most = min_t(unsigned long, count, INT_MAX);

	return pin_user_pages_fast(address, most, pin->gup_flags, free_entries(pin));
}

static long take_locked(const struct pin_hold_pin *request, struct pin *pin, u64 address,
			unsigned long count)
{
	long taken;

	if (mmap_read_lock_killable(current->mm))
		return -EINTR;
#ifdef HAVE_PIN_VMAS
	taken = pin_user_pages(address, count, pin->gup_flags, free_entries(pin), NULL);
#else
	taken = pin_user_pages(address, count, pin->gup_flags, free_entries(pin));
#endif
	mmap_read_unlock(current->mm);
	return taken;
}

static struct mm_struct *get_mm_of(pid_t pid)
{
	struct pid *found = find_get_pid(pid);
	struct task_struct *task = get_pid_task(found, PIDTYPE_PID);
	struct mm_struct *mm = NULL;

	put_pid(found);
	if (task) {
		mm = get_task_mm(task);
		put_task_struct(task);
	}
	return mm;
}

/* With a `locked` argument older kernels warn of FOLL_LONGTERM and refuse. */
static long take_of(struct mm_struct *mm, struct pin *pin, u64 address, unsigned long count)
{
	long taken;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
#ifdef HAVE_PIN_REMOTE_VMAS
	taken = pin_user_pages_remote(mm, address, count, pin->gup_flags, free_entries(pin), NULL,
				      NULL);
#else
	taken = pin_user_pages_remote(mm, address, count, pin->gup_flags, free_entries(pin), NULL);
#endif
	mmap_read_unlock(mm);
	return taken;
}

static long take_remote(const struct pin_hold_pin *request, struct pin *pin, u64 address,
			unsigned long count)
{
	struct mm_struct *mm;
	long taken;

	if (!request->pid)
		return take_of(current->mm, pin, address, count);
	mm = get_mm_of(request->pid);
	if (!mm)
		return -ESRCH;
	taken = take_of(mm, pin, address, count);
	mmput(mm);
	return taken;
}

static long take_unlocked(const struct pin_hold_pin *request, struct pin *pin, u64 address,
			  unsigned long count)
{
#ifdef HAVE_PIN_VMAS
	/* These kernels warn of the combination (get_user_pages_unlocked in mm/gup.c). */
	if (pin->gup_flags & FOLL_LONGTERM)
		return -EOPNOTSUPP;
#endif
	return pin_user_pages_unlocked(address, count, free_entries(pin), pin->gup_flags);
}

#ifdef HAVE_MEMFD_PIN_FOLIOS
/* Fills the pin's array with the folios' first pages; they are given back as folios. */
static long take_memfd(const struct pin_hold_pin *request, struct pin *pin, u64 address,
		       unsigned long count)
{
	struct folio **folios = (struct folio **)free_entries(pin);
	u64 last = address + ((u64)count << PAGE_SHIFT) - 1;
	struct file *memfd = fget(request->fd);
	pgoff_t offset;
	long taken;

	if (!memfd)
		return -EBADF;
	taken = memfd_pin_folios(memfd, address, last, folios, count, &offset);
	fput(memfd);
	return taken;
}

static void give_back_folios(struct pin *pin)
{
	unpin_folios((struct folio **)pin->pages, pin->count);
	pin->count = 0;
}
#else
static void give_back_folios(struct pin *pin)
{
}
#endif

static take_pages *const entries[] = {
	[PIN_HOLD_FAST] = take_fast,
	[PIN_HOLD_LOCKED] = take_locked,
	[PIN_HOLD_REMOTE] = take_remote,
	[PIN_HOLD_UNLOCKED] = take_unlocked,
#ifdef HAVE_MEMFD_PIN_FOLIOS
	[PIN_HOLD_MEMFD] = take_memfd,
#endif
};

u32 pin_entries(void)
{
	u32 entry, known = 0;

	for (entry = 0; entry < ARRAY_SIZE(entries); entry++)
		known |= 1u << entry;
	return known;
}

/* One call; returns the pages taken, never 0. */
static long take_some(struct pin *pin, struct pin_hold_pin *request, u64 address,
		      unsigned long count)
{
	u64 start = ktime_get_ns();
	long taken = entries[pin->entry](request, pin, address, count);

	request->nanoseconds += ktime_get_ns() - start;
	request->calls++;
	return taken ? taken : -EFAULT;
}

/* A folio counts once in the pin, but covers many pages of the range: memfd takes all at once. */
static int take_folios(struct pin *pin, struct pin_hold_pin *request)
{
	long taken = take_some(pin, request, request->address, pin->size);

	if (taken < 0)
		return taken;
	pin->count = taken;
	return 0;
}

int pin_take(struct pin *pin, struct pin_hold_pin *request)
{
	u64 batch = request->batch ? request->batch : pin->size;

	if (pin->entry == PIN_HOLD_MEMFD)
		return take_folios(pin, request);
	while (pin->count < pin->size) {
		u64 address = request->address + ((u64)pin->count << PAGE_SHIFT);
		unsigned long count = min_t(u64, batch, pin->size - pin->count);
		long taken = take_some(pin, request, address, count);

		if (taken < 0)
			return taken;
		pin->count += taken;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

void pin_give_back(struct pin *pin)
{
	bool dirty = (pin->gup_flags & FOLL_WRITE) && !pin->clean;

	if (pin->entry == PIN_HOLD_MEMFD)
		return give_back_folios(pin);
	while (pin->count) {
		unsigned long count = min_t(unsigned long, pin->count, GIVE_BACK_BATCH);

		pin->count -= count;
		unpin_user_pages_dirty_lock(free_entries(pin), count, dirty);
		cond_resched();
	}
}
