// SPDX-License-Identifier: GPL-2.0-only
#include "pins.h"

#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

static atomic_t last_handle = ATOMIC_INIT(0);

void pin_list_init(struct pin_list *list)
{
	mutex_init(&list->lock);
	INIT_LIST_HEAD(&list->pins);
}

struct pin *pin_alloc(unsigned long pages)
{
	struct pin *pin = kzalloc(sizeof(*pin), GFP_KERNEL);

	if (!pin)
		return NULL;
	pin->pages = kvcalloc(pages, sizeof(*pin->pages), GFP_KERNEL | __GFP_NOWARN);
	if (!pin->pages) {
		kfree(pin);
		return NULL;
	}
	pin->size = pages;
	return pin;
}

void pin_free(struct pin *pin)
{
	pin_give_back(pin);
	kvfree(pin->pages);
	kfree(pin);
}

void pin_list_add(struct pin_list *list, struct pin *pin)
{
	pin->handle = atomic_inc_return(&last_handle);
	mutex_lock(&list->lock);
	list_add(&pin->link, &list->pins);
	mutex_unlock(&list->lock);
}

static struct pin *find(struct pin_list *list, u32 handle)
{
	struct pin *pin;

	list_for_each_entry(pin, &list->pins, link)
		if (pin->handle == handle)
			return pin;
	return NULL;
}

int pin_list_release(struct pin_list *list, u32 handle)
{
	struct pin *pin;

	mutex_lock(&list->lock);
	pin = find(list, handle);
	if (pin)
		list_del(&pin->link);
	mutex_unlock(&list->lock);
	if (!pin)
		return -ENOENT;
	pin_free(pin);
	return 0;
}

void pin_list_empty(struct pin_list *list)
{
	struct pin *pin, *next;

	list_for_each_entry_safe(pin, next, &list->pins, link) {
		list_del(&pin->link);
		pin_free(pin);
	}
}

static unsigned int folio_order_of(struct page *page)
{
#ifdef HAVE_FOLIO_ORDER
	return folio_order(page_folio(page));
#else
	return compound_order(compound_head(page));
#endif
}

static void describe(struct page *page, struct pin_hold_page *told)
{
	memset(told, 0, sizeof(*told));
	told->pfn = page_to_pfn(page);
	told->node = page_to_nid(page);
	told->order = folio_order_of(page);
	strscpy(told->zone, page_zone(page)->name, sizeof(told->zone));
}

static int report(const struct pin *pin, struct pin_hold_pages *request)
{
	struct pin_hold_page __user *target = u64_to_user_ptr(request->pages);
	struct pin_hold_page told;
	u64 index, left = request->first < pin->count ? pin->count - request->first : 0;

	request->count = min(request->count, left);
	for (index = 0; index < request->count; index++) {
		describe(pin->pages[request->first + index], &told);
		if (copy_to_user(target + index, &told, sizeof(told)))
			return -EFAULT;
		cond_resched();
	}
	return 0;
}

int pin_list_report(struct pin_list *list, struct pin_hold_pages *request)
{
	struct pin *pin;
	int error = -ENOENT;

	if (mutex_lock_killable(&list->lock))
		return -EINTR;
	pin = find(list, request->handle);
	if (pin)
		error = report(pin, request);
	mutex_unlock(&list->lock);
	return error;
}

/* Of what memfd_pin_folios gives each entry is a folio, else a page. */
static struct page *page_at(const struct pin *pin, u64 index)
{
	unsigned long entry;

	if (pin->entry != PIN_HOLD_MEMFD)
		return index < pin->count ? pin->pages[index] : NULL;
	for (entry = 0; entry < pin->count; entry++) {
		u64 pages = 1ull << folio_order_of(pin->pages[entry]);

		if (index < pages)
			return pfn_to_page(page_to_pfn(pin->pages[entry]) + index);
		index -= pages;
	}
	return NULL;
}

static int move(const struct pin *pin, const struct pin_hold_move *request)
{
	struct page *page = page_at(pin, request->offset >> PAGE_SHIFT);
	void __user *bytes = u64_to_user_ptr(request->bytes);
	unsigned long failed;
	char *place;

	if (!page)
		return -ERANGE;
	if (request->to_memory && !(pin->gup_flags & FOLL_WRITE))
		return -EACCES;
	place = (char *)kmap(page) + offset_in_page(request->offset);
	failed = request->to_memory ? copy_from_user(place, bytes, request->length)
				    : copy_to_user(bytes, place, request->length);
	kunmap(page);
	return failed ? -EFAULT : 0;
}

int pin_list_move(struct pin_list *list, const struct pin_hold_move *request)
{
	struct pin *pin;
	int error = -ENOENT;

	if (mutex_lock_killable(&list->lock))
		return -EINTR;
	pin = find(list, request->handle);
	if (pin)
		error = move(pin, request);
	mutex_unlock(&list->lock);
	return error;
}
