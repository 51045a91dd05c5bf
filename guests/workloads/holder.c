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
#include "memory.h"
#include "pagemap.h"
#include "pattern.h"
#include "pins.h"

#define PINS_LIMIT 64

struct options {
	int node;
	bool prefer;
	bool faulted;
	bool read_only;
	const char *file;
};

static struct memory memory;
static struct options options = {.node = -1};

static struct {
	const struct pin_path *path;
	void *pin;
} held[PINS_LIMIT];
static size_t held_count;

static _Noreturn void wrong_option(const char *why)
{
	fprintf(stderr, "holder: %s\n", why);
	exit(2);
}

static bool parse_number(const char *text, unsigned long long *number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 0);
	return !errno && !*end;
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
		options.node = option_number("--node is not a number");
	else if (option == 'p')
		options.prefer = true;
	else if (option == 'F')
		options.faulted = true;
	else if (option == 'r')
		options.read_only = true;
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
		{"prefer", no_argument, NULL, 'p'},
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

static bool take_key(const char *key, const char *value, struct pin_request *request)
{
	unsigned long long number = 0;
	bool is_number = parse_number(value, &number);

	if (!strcmp(key, "device"))
		request->device = value;
	else if (!strcmp(key, "entry"))
		request->entry = value;
	else if (!is_number)
		return false;
	else if (!strcmp(key, "group"))
		request->group = number;
	else if (!strcmp(key, "iova"))
		request->iova = number;
	else if (!strcmp(key, "offset"))
		request->offset = number;
	else if (!strcmp(key, "bytes"))
		request->bytes = number;
	else if (!strcmp(key, "batch"))
		request->batch = number;
	else if (!strcmp(key, "write"))
		request->writable = number;
	else if (!strcmp(key, "odp"))
		request->on_demand = number;
	else if (!strcmp(key, "detached"))
		request->detached = number;
	else
		return false;
	return true;
}

static const char *take_keys(struct pin_request *request)
{
	char *word, *value;

	while ((word = strtok(NULL, " "))) {
		value = strchr(word, '=');
		if (!value)
			return "pin takes PATH and key=value words";
		*value++ = '\0';
		if (!take_key(word, value, request))
			return "pin has an unknown key or a value that is not a number";
	}
	return NULL;
}

static const char *check_range(struct pin_request *request)
{
	if (request->offset % SMALL_PAGE || request->bytes % SMALL_PAGE ||
	    request->batch % SMALL_PAGE)
		return "offset, bytes and batch are multiples of the page size";
	if (request->offset >= memory.bytes)
		return "offset lies behind the memory";
	if (!request->bytes)
		request->bytes = memory.bytes - request->offset;
	if (request->bytes > memory.bytes - request->offset)
		return "offset and bytes reach behind the memory";
	request->address = memory.address + request->offset;
	return NULL;
}

static void pin(const struct pin_path *path, const struct pin_request *request)
{
	struct pin_result result = {0};
	void *made = path->pin(request, &result);

	if (!made)
		return answer_failure();
	held[held_count].path = path;
	held[held_count++].pin = made;
	answer("{\"event\": \"pinned\", \"path\": \"%s\", \"bytes\": %zu, \"calls\": %lu, "
	       "\"seconds\": %.9f}",
	       path->name, result.bytes, result.calls, result.seconds);
}

static void command_pin(void)
{
	struct pin_request request = {.entry = "fast",
				      .group = -1,
				      .writable = !options.read_only,
				      .fd = memory.fd};
	const char *name = strtok(NULL, " ");
	const struct pin_path *path = name ? pin_path(name) : NULL;
	const char *wrong = take_keys(&request);

	if (!wrong)
		wrong = check_range(&request);
	if (!path)
		wrong = "pin's PATH is one of rdma, vfio, uring, vmsplice, udmabuf, kmod, umem, mediated";
	if (held_count == PINS_LIMIT)
		wrong = "too many pins are held";
	if (wrong)
		return answer_misunderstood(wrong);
	pin(path, &request);
}

static void command_unpin(void)
{
	double start = stopwatch();

	while (held_count) {
		held_count--;
		held[held_count].path->unpin(held[held_count].pin);
	}
	answer("{\"event\": \"unpinned\", \"seconds\": %.9f}", stopwatch() - start);
}

/* Of the last pin made. */
static void command_report(void)
{
	const struct pin_path *path = held_count ? held[held_count - 1].path : NULL;
	char *runs = NULL;
	size_t size;
	FILE *text;
	bool good;

	if (!path || !path->report)
		return answer_misunderstood("only a pin by kmod can be reported");
	text = open_memstream(&runs, &size);
	good = text ? path->report(held[held_count - 1].pin, text) : failed("open_memstream");
	if (text)
		fclose(text);
	if (good)
		answer("{\"event\": \"report\", \"runs\": [%s]}", runs);
	else
		answer_failure();
	free(runs);
}

static void command_pages(void)
{
	if (!pagemap_answer(memory.address, memory.bytes))
		answer_failure();
}

static void command_fault(void)
{
	memory_fault(&memory);
	answer("{\"event\": \"faulted\"}");
}

static bool take_seed(unsigned long long *seed)
{
	const char *word = strtok(NULL, " ");

	if (word && parse_number(word, seed))
		return true;
	answer_misunderstood("SEED is not a number");
	return false;
}

static void command_fill(void)
{
	unsigned long long seed;

	if (!take_seed(&seed))
		return;
	pattern_fill(memory.address, memory.bytes, seed);
	answer("{\"event\": \"filled\"}");
}

static void command_verify(void)
{
	unsigned long long seed;

	if (!take_seed(&seed))
		return;
	answer("{\"event\": \"verified\", \"mismatches\": %zu}",
	       pattern_mismatches(memory.address, memory.bytes, seed));
}

static void command_quit(void)
{
	exit(0);
}

static const struct command {
	const char *name;
	void (*run)(void);
} commands[] = {
	{"pin", command_pin},	    {"unpin", command_unpin}, {"pages", command_pages},
	{"report", command_report}, {"fault", command_fault}, {"fill", command_fill},
	{"verify", command_verify}, {"quit", command_quit},
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
	answer_misunderstood("commands are pin, unpin, pages, report, fault, fill, verify and quit");
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t size = 0;

	take_options(argc, argv);
	raise_limits();
	if (!memory_map(&memory, options.node, options.prefer, options.file)) {
		answer_failure();
		return 1;
	}
	if (options.faulted)
		memory_fault(&memory);
	answer("{\"event\": \"mapped\", \"pid\": %d, \"address\": %lu, \"bytes\": %zu, "
	       "\"page_bytes\": %zu}",
	       getpid(), (unsigned long)memory.address, memory.bytes, memory.kind->page_bytes);
	while (getline(&line, &size, stdin) > 0)
		run(line);
	free(line);
	return 0;
}
