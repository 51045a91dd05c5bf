// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes the kernel complain, for real, so that readers of its log can be tried. Write the name of
 * a fault, and seconds where it takes some, to debugfs' splat/provoke; splat/faults lists them.
 * Most leave the guest in a state that is good for nothing else.
 */
#include <linux/bottom_half.h>
#include <linux/debugfs.h>
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

/* Above 0x8000_0000_0000 and below 0xffff_8000_0000_0000: no address on x86-64. */
#define NON_CANONICAL 0x1234567890abcdefUL
/* Above PAGE_ALLOC_COSTLY_ORDER. */
#define BLOCK_ORDER 5
#define OBJECT_SIZE 64
/* Above MAX_ORDER on every kernel. */
#define OVERSIZED (1UL << 30)

static DEFINE_MUTEX(first_lock);
static DEFINE_MUTEX(second_lock);

static void splat_warn(unsigned int seconds)
{
	WARN(1, "splat: a warning was asked for\n");
}

static void splat_bug(unsigned int seconds)
{
	BUG();
}

static void splat_null(unsigned int seconds)
{
	*(volatile int *)16 = 1;
}

static void splat_wild(unsigned int seconds)
{
	*(volatile int *)NON_CANONICAL = 1;
}

static void splat_panic(unsigned int seconds)
{
	panic("splat: a panic was asked for");
}

/* Keep a CPU without letting it schedule. */
static void spin(unsigned int seconds)
{
	u64 end = ktime_get_ns() + (u64)seconds * NSEC_PER_SEC;

	while (ktime_get_ns() < end)
		cpu_relax();
}

/* An RCU stall, reported after 21 s, restarts the watchdog: raise rcu_cpu_stall_timeout first. */
static void splat_soft_lockup(unsigned int seconds)
{
	preempt_disable();
	spin(seconds);
	preempt_enable();
}

static void splat_hard_lockup(unsigned int seconds)
{
	unsigned long flags;

	local_irq_save(flags);
	spin(seconds);
	local_irq_restore(flags);
}

static void splat_rcu_stall(unsigned int seconds)
{
	rcu_read_lock();
	spin(seconds);
	rcu_read_unlock();
}

static void splat_hung_task(unsigned int seconds)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule_timeout(seconds * HZ);
}

/* Spins within a spinlock that it already holds. */
static void splat_deadlock(unsigned int seconds)
{
	static DEFINE_SPINLOCK(lock);

	spin_lock(&lock);
	spin_lock(&lock);
}

/* Both orders, one after the other: no deadlock, but lockdep sees that there could be. */
static void splat_lock_order(unsigned int seconds)
{
	mutex_lock(&first_lock);
	mutex_lock(&second_lock);
	mutex_unlock(&second_lock);
	mutex_unlock(&first_lock);
	mutex_lock(&second_lock);
	mutex_lock(&first_lock);
	mutex_unlock(&first_lock);
	mutex_unlock(&second_lock);
}

static void splat_list(unsigned int seconds)
{
	static LIST_HEAD(head);
	static struct list_head one, two;

	list_add(&one, &head);
	one.prev = &two;
	list_add(&two, &one);
	head.next->next = NULL;
	list_del(&one);
}

static void splat_refcount(unsigned int seconds)
{
	refcount_t count = REFCOUNT_INIT(0);

	refcount_inc(&count);
}

/*
 * Pages that are freed while one claims to be mapped. Smaller blocks would wait in a list of the
 * CPU's before anybody looks; from 6.3 on nobody does unless the guest boots with page_poison=1.
 */
static void splat_bad_page(unsigned int seconds)
{
	struct page *block = alloc_pages(GFP_KERNEL, BLOCK_ORDER);

	if (!block)
		return;
	/* The lowest bits set would tell of an anonymous page, and are cleared. */
	block->mapping = (void *)(NON_CANONICAL & ~7UL);
	__free_pages(block, BLOCK_ORDER);
}

/* A page nobody will ever give back. */
static void splat_page_leak(unsigned int seconds)
{
	struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE);

	if (page)
		pr_info("splat: leaked pfn %lx\n", page_to_pfn(page));
}

/* For KASAN and KFENCE; other kernels read what is there. */
static void splat_use_after_free(unsigned int seconds)
{
	volatile int *freed = kmalloc(64, GFP_KERNEL);

	if (!freed)
		return;
	kfree((void *)freed);
	*freed = 1;
}

/* Copies more of an object to user space than there is of it; where to does not matter. */
static void splat_usercopy(unsigned int seconds)
{
	void *object = kmalloc(OBJECT_SIZE, GFP_KERNEL);
	volatile size_t size = 4 * OBJECT_SIZE;

	if (object && copy_to_user((void __user *)PAGE_SIZE, object, size))
		pr_info("splat: nobody minded\n");
	kfree(object);
}

static void splat_divide(unsigned int seconds)
{
	volatile int zero = 0;

	pr_info("splat: %d\n", OBJECT_SIZE / zero);
}

/* More than the page allocator gives in one piece. */
static void splat_oversized(unsigned int seconds)
{
	volatile size_t size = OVERSIZED;

	kfree(kmalloc(size, GFP_KERNEL));
}

/* Preemption is no count of its own on every kernel; what runs softirqs is. */
static void splat_atomic(unsigned int seconds)
{
	local_bh_disable();
	schedule_timeout_uninterruptible(1);
	local_bh_enable();
}

/* The next four are seen by SLUB's checks, which slub_debug=FZPU turns on. */
static struct kmem_cache *object_cache(void)
{
	return kmem_cache_create("splat_objects", OBJECT_SIZE, 0, SLAB_HWCACHE_ALIGN, NULL);
}

static void splat_slab_poison(unsigned int seconds)
{
	struct kmem_cache *cache = object_cache();
	char *volatile object = kmem_cache_alloc(cache, GFP_KERNEL);

	kmem_cache_free(cache, object);
	object[OBJECT_SIZE / 2] = 0;
	kmem_cache_free(cache, kmem_cache_alloc(cache, GFP_KERNEL));
}

static void splat_slab_overrun(unsigned int seconds)
{
	struct kmem_cache *cache = object_cache();
	char *volatile object = kmem_cache_alloc(cache, GFP_KERNEL);

	object[OBJECT_SIZE] = 0;
	kmem_cache_free(cache, object);
}

static void splat_slab_double_free(unsigned int seconds)
{
	struct kmem_cache *cache = object_cache();
	void *volatile object = kmem_cache_alloc(cache, GFP_KERNEL);

	kmem_cache_free(cache, object);
	kmem_cache_free(cache, object);
}

static void splat_slab_remains(unsigned int seconds)
{
	struct kmem_cache *cache = object_cache();

	if (kmem_cache_alloc(cache, GFP_KERNEL))
		kmem_cache_destroy(cache);
}

/* All the memory there is, page by page, until the OOM killer takes the one who asked for it. */
static void splat_oom(unsigned int seconds)
{
	struct page *page;
	LIST_HEAD(taken);

	while (!fatal_signal_pending(current) && (page = alloc_page(GFP_KERNEL)))
		list_add(&page->lru, &taken);
	while (!list_empty(&taken)) {
		page = list_first_entry(&taken, struct page, lru);
		list_del(&page->lru);
		__free_page(page);
	}
}

/* An offline sleeps so long at its beginning, and no signal wakes it. */
static unsigned int deaf_seconds;

static int sleep_through(struct notifier_block *block, unsigned long action, void *memory)
{
	if (action == MEM_GOING_OFFLINE && deaf_seconds)
		schedule_timeout_uninterruptible(deaf_seconds * HZ);
	return NOTIFY_OK;
}

static struct notifier_block deaf = {.notifier_call = sleep_through};

static void splat_deaf_offline(unsigned int seconds)
{
	deaf_seconds = seconds;
}

static const struct fault {
	const char *name;
	void (*provoke)(unsigned int seconds);
	unsigned int seconds; /* unless others are asked for */
} faults[] = {
	{"warn", splat_warn},
	{"bug", splat_bug},
	{"null", splat_null},
	{"wild", splat_wild},
	{"panic", splat_panic},
	{"soft_lockup", splat_soft_lockup, 30},
	{"hard_lockup", splat_hard_lockup, 30},
	{"rcu_stall", splat_rcu_stall, 30},
	{"hung_task", splat_hung_task, 300},
	{"deadlock", splat_deadlock},
	{"lock_order", splat_lock_order},
	{"list", splat_list},
	{"refcount", splat_refcount},
	{"bad_page", splat_bad_page},
	{"page_leak", splat_page_leak},
	{"use_after_free", splat_use_after_free},
	{"usercopy", splat_usercopy},
	{"divide", splat_divide},
	{"oversized", splat_oversized},
	{"atomic", splat_atomic},
	{"slab_poison", splat_slab_poison},
	{"slab_overrun", splat_slab_overrun},
	{"slab_double_free", splat_slab_double_free},
	{"slab_remains", splat_slab_remains},
	{"oom", splat_oom},
	{"deaf_offline", splat_deaf_offline, 60},
};

static int provoke(const char *name, unsigned int seconds)
{
	int index;

	for (index = 0; index < ARRAY_SIZE(faults); index++) {
		if (strcmp(faults[index].name, name))
			continue;
		faults[index].provoke(seconds ? seconds : faults[index].seconds);
		return 0;
	}
	return -EINVAL;
}

static ssize_t provoke_write(struct file *file, const char __user *text, size_t size,
			     loff_t *position)
{
	char line[48], name[32];
	unsigned int seconds = 0;
	int error;

	if (!size || size >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, text, size))
		return -EFAULT;
	line[size] = '\0';
	if (sscanf(line, "%31s %u", name, &seconds) < 1 || seconds > 3600)
		return -EINVAL;
	error = provoke(name, seconds);
	return error ? error : size;
}

static int faults_show(struct seq_file *file, void *unused)
{
	int index;

	for (index = 0; index < ARRAY_SIZE(faults); index++)
		seq_printf(file, "%s\n", faults[index].name);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(faults);

static const struct file_operations provoke_operations = {
	.owner = THIS_MODULE,
	.write = provoke_write,
};

static struct dentry *folder;

static int __init splat_init(void)
{
	folder = debugfs_create_dir("splat", NULL);
	if (IS_ERR(folder))
		return PTR_ERR(folder);
	register_memory_notifier(&deaf);
	debugfs_create_file("provoke", 0200, folder, NULL, &provoke_operations);
	debugfs_create_file("faults", 0400, folder, NULL, &faults_fops);
	return 0;
}

static void __exit splat_exit(void)
{
	debugfs_remove_recursive(folder);
	unregister_memory_notifier(&deaf);
}

module_init(splat_init);
module_exit(splat_exit);

MODULE_DESCRIPTION("Provokes the kernel's complaints");
MODULE_LICENSE("GPL");
