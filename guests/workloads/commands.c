/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "cpu.h"
#include "hmm.h"
#include "lives.h"
#include "marks.h"
#include "pagemap.h"
#include "part.h"
#include "pattern.h"
#include "protect.h"
#include "words.h"

struct memory memory;
bool pins_read_only;

static void command_pages(void)
{
	struct part part = {0};
	const char *wrong = part_take_place(&part, memory.bytes);

	if (wrong)
		return answer_misunderstood(wrong);
	if (!pagemap_answer(memory.address + part.offset, part.bytes))
		answer_failure();
}

static void answer_done(bool good, const char *event)
{
	if (good)
		answer("{\"event\": \"%s\"}", event);
	else
		answer_failure();
}

static void command_touch(void)
{
	const char *word = strtok(NULL, " ");
	unsigned long long pages;

	if (!word)
		memory_touch(&memory);
	else if (parse_number(word, &pages) && pages)
		memory_touch_some(&memory, pages);
	else
		return answer_misunderstood("touch takes a number of pages");
	answer("{\"event\": \"touched\"}");
}

static void command_fault(void)
{
	memory_fault(&memory);
	answer("{\"event\": \"faulted\"}");
}

static void command_flags(void)
{
	if (!pageflags_answer(memory.address, memory.bytes))
		answer_failure();
}

static void command_lock(void)
{
	answer_done(memory_lock_on_fault(&memory), "locked");
}

static void command_mlock(void)
{
	answer_done(memory_lock(&memory), "locked");
}

static void command_remap(void)
{
	answer_done(memory_remap(&memory), "remapped");
}

static void command_write_protect(void)
{
	answer_done(write_protect(memory.address, memory.bytes), "protected");
}

static void command_device(void)
{
	const char *way = strtok(NULL, " ");
	bool private = way && !strcmp(way, "private");

	if (!private && (!way || strcmp(way, "exclusive")))
		return answer_misunderstood("device takes `private` or `exclusive`");
	answer_done(private ? hmm_move_to_device(memory.address, memory.bytes)
			    : hmm_make_exclusive(memory.address, memory.bytes),
		    "taken");
}

static void command_exec(void)
{
	answer_done(exec_again(), "");
}

static void command_share_mm(void)
{
	pid_t pid = share_mm();

	if (pid > 0)
		answer("{\"event\": \"shared\", \"pid\": %d}", pid);
	else
		answer_failure();
}

static void command_cpu(void)
{
	const char *word = strtok(NULL, " ");
	unsigned long long cpu;

	if (!word || !parse_number(word, &cpu))
		return answer_misunderstood("cpu takes a number");
	if (run_on_cpu(cpu))
		answer("{\"event\": \"moved\"}");
	else
		answer_failure();
}

static void command_advise(void)
{
	const char *advice = strtok(NULL, " ");
	struct part part = {0};
	const char *wrong = part_take_place(&part, memory.bytes);

	if (wrong)
		return answer_misunderstood(wrong);
	answer_done(memory_advise(&memory, advice ? advice : "", part.offset, part.bytes),
		    "advised");
}

static void command_forbid(void)
{
	struct part part = {0};
	const char *wrong = part_take_place(&part, memory.bytes);

	if (wrong)
		return answer_misunderstood(wrong);
	if (memory_forbid(&memory, part.offset, part.bytes))
		answer("{\"event\": \"forbidden\"}");
	else
		answer_failure();
}

/* The part's seed is the node. */
static void command_move(void)
{
	struct part part;
	const char *wrong = part_take(&part, memory.bytes);

	if (wrong)
		return answer_misunderstood(wrong);
	if (memory_move(&memory, part.seed, part.offset, part.bytes))
		answer("{\"event\": \"moved\"}");
	else
		answer_failure();
}

static void command_fill(void)
{
	struct part part;
	const char *wrong = part_take(&part, memory.bytes);

	if (wrong)
		return answer_misunderstood(wrong);
	memory.marked = false;
	pattern_fill(memory.address + part.offset, part.bytes, part.offset, part.seed);
	answer("{\"event\": \"filled\"}");
}

static void command_verify(void)
{
	struct part part;
	const char *wrong = part_take(&part, memory.bytes);

	if (wrong)
		return answer_misunderstood(wrong);
	answer("{\"event\": \"verified\", \"mismatches\": %zu}",
	       pattern_mismatches(memory.address + part.offset, part.bytes, part.offset, part.seed));
}

static void command_marks(void)
{
	size_t pages = memory.marked ? memory.bytes / SMALL_PAGE : 0, first = 0;
	size_t missing = pages ? marks_missing(memory.address, memory.bytes, &first) : 0;

	answer("{\"event\": \"marks\", \"pages\": %zu, \"missing\": %zu, \"first\": %zu}", pages,
	       missing, first);
}

static void command_quit(void)
{
	exit(0);
}

static const struct command {
	const char *name;
	void (*run)(void);
} commands[] = {
	{"pin", command_pin},
	{"unpin", command_unpin},
	{"pages", command_pages},
	{"flags", command_flags},
	{"report", command_report},
	{"touch", command_touch},
	{"fault", command_fault},
	{"advise", command_advise},
	{"lock", command_lock},
	{"mlock", command_mlock},
	{"remap", command_remap},
	{"write-protect", command_write_protect},
	{"device", command_device},
	{"exec", command_exec},
	{"share-mm", command_share_mm},
	{"cpu", command_cpu},
	{"move", command_move},
	{"forbid", command_forbid},
	{"fill", command_fill},
	{"verify", command_verify},
	{"dma-fill", command_dma_fill},
	{"dma-verify", command_dma_verify},
	{"marks", command_marks},
	{"exchange", command_exchange},
	{"fork", command_fork},
	{"child", command_child},
	{"reap", command_reap},
	{"quit", command_quit},
};

static void run(char *line)
{
	const char *name;

	line[strcspn(line, "\n")] = '\0';
	name = strtok(line, " ");
	if (!name)
		return;
	for (size_t index = 0; index < sizeof(commands) / sizeof(commands[0]); index++)
		if (!strcmp(commands[index].name, name))
			return commands[index].run();
	answer_misunderstood("no such command");
}

void commands_run(void)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0)
		run(line);
	free(line);
}
