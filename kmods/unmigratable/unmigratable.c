// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes a reference on chosen pages that nobody can account for, so that they can't be migrated:
 * what a leaked page reference does to an offline. Files in debugfs' unmigratable:
 *
 *	hold      write "PFN" or "PFN COUNT"; free and offline pages are passed over
 *	held      how many references are held
 *	release   write anything: drops all of them, as unloading the module does
 */
#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

struct reference {
	struct list_head link;
	struct page *page;
};

static LIST_HEAD(references);
static u64 held;
static DEFINE_MUTEX(lock);
static struct dentry *folder;

/* Returns 0 also for a page that has no user, and so can't have one more. */
static int hold_page(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	struct reference *reference;

	if (!page || !get_page_unless_zero(compound_head(page)))
		return 0;
	reference = kmalloc(sizeof(*reference), GFP_KERNEL);
	if (!reference) {
		put_page(page);
		return -ENOMEM;
	}
	reference->page = page;
	list_add(&reference->link, &references);
	held++;
	return 0;
}

static void release_all(void)
{
	struct reference *reference, *next;

	list_for_each_entry_safe(reference, next, &references, link) {
		put_page(reference->page);
		kfree(reference);
		cond_resched();
	}
	INIT_LIST_HEAD(&references);
	held = 0;
}

static int hold_pages(unsigned long first, unsigned long count)
{
	unsigned long pfn;
	int error = 0;

	for (pfn = first; pfn < first + count && !error; pfn++) {
		error = fatal_signal_pending(current) ? -EINTR : hold_page(pfn);
		cond_resched();
	}
	return error;
}

static ssize_t hold_write(struct file *file, const char __user *text, size_t size, loff_t *position)
{
	unsigned long first, count = 1;
	char line[48];
	int error;

	if (!size || size >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, text, size))
		return -EFAULT;
	line[size] = '\0';
	if (sscanf(line, "%lu %lu", &first, &count) < 1 || count > totalram_pages() ||
	    first + count < first)
		return -EINVAL;
	if (mutex_lock_killable(&lock))
		return -EINTR;
	error = hold_pages(first, count);
	mutex_unlock(&lock);
	return error ? error : size;
}

static ssize_t release_write(struct file *file, const char __user *text, size_t size,
			     loff_t *position)
{
	if (mutex_lock_killable(&lock))
		return -EINTR;
	release_all();
	mutex_unlock(&lock);
	return size;
}

static const struct file_operations hold_operations = {
	.owner = THIS_MODULE,
	.write = hold_write,
};

static const struct file_operations release_operations = {
	.owner = THIS_MODULE,
	.write = release_write,
};

static int __init unmigratable_init(void)
{
	folder = debugfs_create_dir("unmigratable", NULL);
	if (IS_ERR(folder))
		return PTR_ERR(folder);
	debugfs_create_file("hold", 0200, folder, NULL, &hold_operations);
	debugfs_create_file("release", 0200, folder, NULL, &release_operations);
	debugfs_create_u64("held", 0400, folder, &held);
	return 0;
}

static void __exit unmigratable_exit(void)
{
	debugfs_remove_recursive(folder);
	release_all();
}

module_init(unmigratable_init);
module_exit(unmigratable_exit);

MODULE_DESCRIPTION("Holds references on pages so that they cannot be migrated");
MODULE_LICENSE("GPL");
