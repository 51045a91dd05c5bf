/* SPDX-License-Identifier: Apache-2.0 */
#include "protect.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "answers.h"

bool write_protect(char *address, size_t bytes)
{
	const struct uffdio_range range = {.start = (unsigned long)address, .len = bytes};
	struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP};
	struct uffdio_register registered = {.range = range, .mode = UFFDIO_REGISTER_MODE_WP};
	struct uffdio_writeprotect protected = {
		.range = range, .mode = UFFDIO_WRITEPROTECT_MODE_WP};
	int faults = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (faults < 0)
		return failed("userfaultfd");
	if (ioctl(faults, UFFDIO_API, &api))
		return failed("UFFDIO_API");
	if (ioctl(faults, UFFDIO_REGISTER, &registered))
		return failed("UFFDIO_REGISTER");
	return !ioctl(faults, UFFDIO_WRITEPROTECT, &protected) || failed("UFFDIO_WRITEPROTECT");
}
