// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tells which folios of online memory may be pinned for DMA. Two files in debugfs' pin_oracle:
 * `pinned` for all zones, `movable` for ZONE_MOVABLE, where a long-term pin has no place. A line
 * stands for folios that follow each other and are alike:
 *
 *	PFN FOLIOS ORDER NODE ZONE KIND REFERENCES FLAGS
 *
 * REFERENCES are those of each folio; an order-0 pin counts 1024 (GUP_PIN_COUNTING_BIAS). FLAGS is
 * hexadecimal, enum pageflags of the running kernel.
 */
#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>

#include "folio.h"

/* Where a reader is. */
struct walk {
	unsigned long next;
	unsigned long end;
	bool movable_only;
	unsigned long folios; /* in the run to show, 0 at the end of memory */
	struct pinned_folio first;
};

static unsigned long memory_end(void)
{
	unsigned long end = 0;
	int node;

	for_each_online_node(node)
		end = max(end, node_end_pfn(node));
	return end;
}

/* The next folio to tell, at or behind walk->next; walk->next stays before it. */
static bool find_next(struct walk *walk, struct pinned_folio *told, unsigned long *behind)
{
	while (walk->next < walk->end && !fatal_signal_pending(current)) {
		if (look_at(walk->next, told, behind) && told->pfn >= walk->next &&
		    (!walk->movable_only || !strcmp(told->zone, "Movable")))
			return true;
		walk->next = *behind;
		cond_resched();
	}
	return false;
}

static bool continues(const struct walk *walk, const struct pinned_folio *told)
{
	const struct pinned_folio *first = &walk->first;

	return told->pfn == first->pfn + (walk->folios << first->order) &&
	       told->order == first->order && told->node == first->node &&
	       told->zone == first->zone && told->kind == first->kind &&
	       told->references == first->references && told->flags == first->flags;
}

/* Collect the next run of alike folios. */
static void find_run(struct walk *walk)
{
	struct pinned_folio told;
	unsigned long behind;

	walk->folios = 0;
	if (!find_next(walk, &walk->first, &behind))
		return;
	walk->folios = 1;
	walk->next = behind;
	while (look_at(walk->next, &told, &behind) && continues(walk, &told)) {
		walk->folios++;
		walk->next = behind;
	}
}

/* A run that did not fit into the reader's buffer is asked for once more. */
static void *walk_start(struct seq_file *file, loff_t *position)
{
	struct walk *walk = file->private;

	if (*position == 0) {
		walk->next = 0;
		walk->end = memory_end();
		find_run(walk);
	}
	return walk->folios ? walk : NULL;
}

static void *walk_next(struct seq_file *file, void *record, loff_t *position)
{
	struct walk *walk = file->private;

	find_run(walk);
	++*position;
	return walk->folios ? walk : NULL;
}

static void walk_stop(struct seq_file *file, void *record)
{
}

static int walk_show(struct seq_file *file, void *record)
{
	const struct walk *walk = file->private;
	const struct pinned_folio *first = &walk->first;

	seq_printf(file, "%lu %lu %u %d %s %s %d 0x%lx\n", first->pfn, walk->folios, first->order,
		   first->node, first->zone, first->kind, first->references, first->flags);
	return 0;
}

static const struct seq_operations walk_operations = {
	.start = walk_start,
	.next = walk_next,
	.stop = walk_stop,
	.show = walk_show,
};

static int open_walk(struct file *file, bool movable_only)
{
	struct walk *walk = __seq_open_private(file, &walk_operations, sizeof(*walk));

	if (!walk)
		return -ENOMEM;
	walk->movable_only = movable_only;
	return 0;
}

static int pinned_open(struct inode *inode, struct file *file)
{
	return open_walk(file, false);
}

static int movable_open(struct inode *inode, struct file *file)
{
	return open_walk(file, true);
}

static const struct file_operations pinned_operations = {
	.owner = THIS_MODULE,
	.open = pinned_open,
	.read = seq_read,
	.release = seq_release_private,
};

static const struct file_operations movable_operations = {
	.owner = THIS_MODULE,
	.open = movable_open,
	.read = seq_read,
	.release = seq_release_private,
};

static struct dentry *folder;

static int __init pin_oracle_init(void)
{
	folder = debugfs_create_dir("pin_oracle", NULL);
	if (IS_ERR(folder))
		return PTR_ERR(folder);
	debugfs_create_file("pinned", 0400, folder, NULL, &pinned_operations);
	debugfs_create_file("movable", 0400, folder, NULL, &movable_operations);
	return 0;
}

static void __exit pin_oracle_exit(void)
{
	debugfs_remove_recursive(folder);
}

module_init(pin_oracle_init);
module_exit(pin_oracle_exit);

MODULE_DESCRIPTION("Finds pages that may be pinned for DMA");
MODULE_LICENSE("GPL");
