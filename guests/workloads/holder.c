/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps memory, pins it by the path asked for, and holds both. Options say what to map, lines on
 * stdin what to do, each answered with one line of JSON. docs/guest-protocol.md holds the list.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "answers.h"
#include "commands.h"
#include "cpu.h"
#include "memory.h"
#include "words.h"

struct options {
	struct placement placement;
	bool faulted;
	int cpu;
	const char *file;
};

static struct options options = {.placement = {.node = -1}, .cpu = -1};

static _Noreturn void wrong_option(const char *why)
{
	fprintf(stderr, "holder: %s\n", why);
	exit(2);
}

static unsigned long long option_number(const char *why)
{
	unsigned long long number;

	if (!parse_number(optarg, &number))
		wrong_option(why);
	return number;
}

static void take_option(int option)
{
	if (option == 'm')
		memory.kind = memory_kind(optarg);
	else if (option == 'b')
		memory.bytes = option_number("--bytes is not a number");
	else if (option == 'n')
		options.placement.node = option_number("--node is not a number");
	else if (option == 'p')
		options.placement.prefer = true;
	else if (option == 'i')
		options.placement.interleave = true;
	else if (option == 'P')
		options.placement.process = true;
	else if (option == 'F')
		options.faulted = true;
	else if (option == 'r')
		pins_read_only = true;
	else if (option == 'c')
		options.cpu = option_number("--cpu is not a number");
	else if (option == 'f')
		options.file = optarg;
	else
		exit(2);
}

static void check_options(void)
{
	if (!memory.kind) {
		fprintf(stderr, "holder: --memory is one of %s\n", memory_kinds);
		exit(2);
	}
	if (!memory.bytes || memory.bytes % memory.kind->page_bytes)
		wrong_option("--bytes is not a multiple of the memory's page size");
	if ((memory.kind->file == NAMED_FILE) != !!options.file)
		wrong_option("--file PATH goes with --memory file");
}

static void take_options(int argc, char **argv)
{
	static const struct option known[] = {
		{"memory", required_argument, NULL, 'm'}, {"bytes", required_argument, NULL, 'b'},
		{"node", required_argument, NULL, 'n'},	  {"faulted", no_argument, NULL, 'F'},
		{"read-only", no_argument, NULL, 'r'},	  {"file", required_argument, NULL, 'f'},
		{"prefer", no_argument, NULL, 'p'},	  {"cpu", required_argument, NULL, 'c'},
		{"interleave", no_argument, NULL, 'i'},	  {"process", no_argument, NULL, 'P'},
		{NULL, 0, NULL, 0},
	};
	int option;

	memory.kind = memory_kind("anon");
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		take_option(option);
	if (optind < argc)
		wrong_option("it takes options only");
	check_options();
}

/* Pins are not to end at a limit of the process; the guest belongs to the test. */
static void raise_limits(void)
{
	const struct rlimit locked = {RLIM_INFINITY, RLIM_INFINITY}, files = {65536, 65536};

	if (setrlimit(RLIMIT_MEMLOCK, &locked) || setrlimit(RLIMIT_NOFILE, &files))
		fprintf(stderr, "holder: setrlimit: %s\n", strerror(errno));
}

int main(int argc, char **argv)
{
	take_options(argc, argv);
	raise_limits();
	if ((options.cpu >= 0 && !run_on_cpu(options.cpu)) ||
	    !memory_map(&memory, &options.placement, options.file)) {
		answer_failure();
		return 1;
	}
	if (options.faulted && pins_read_only && memory.kind->file == NAMED_FILE)
		memory_touch(&memory);
	else if (options.faulted)
		memory_fault(&memory);
	answer("{\"event\": \"mapped\", \"pid\": %d, \"address\": %lu, \"bytes\": %zu, "
	       "\"page_bytes\": %zu}",
	       getpid(), (unsigned long)memory.address, memory.bytes, memory.kind->page_bytes);
	commands_run();
	return 0;
}
