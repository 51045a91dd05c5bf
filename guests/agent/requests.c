/* SPDX-License-Identifier: Apache-2.0 */
#include "requests.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "frames.h"
#include "jobs.h"
#include "verbs.h"

#define LINE_LIMIT 65536
#define BODY_LIMIT (64u << 20)

typedef unsigned long long request_id;
typedef void take_body(request_id id, const char *target, const char *bytes, size_t length);

static const char help[] =
	"hotremove guest agent. A request is one line: ID VERB ...; ID is a number you choose.\n"
	"  ID ping                      answers: ID exit 0\n"
	"  ID run SECONDS COMMAND...    run with sh -c, killed after SECONDS (0: never)\n"
	"  ID start COMMAND...          the same in the background, with a stdin\n"
	"  ID input LENGTH, then bytes  write to the stdin of job ID\n"
	"  ID eof                       close the stdin of job ID\n"
	"  ID kill SIGNUMBER            signal the processes of job ID\n"
	"  ID read PATH                 contents of a file\n"
	"  ID write PATH LENGTH, bytes  write a file\n"
	"  ID blocks PATH               memory blocks, by the folder of sysfs that has them\n"
	"  ID clock SECONDS NANOSECONDS set the clock\n"
	"  ID entropy LENGTH, bytes     credit to the random pool\n"
	"Answers: ID out|err LENGTH and bytes, ID pid N, ID exit STATUS, ID signal N, ID deadline,\n"
	"ID error TEXT. For a shell use the guest's second serial line.\n";

/* The line being read. */
static char line[LINE_LIMIT];
static size_t line_length;
static bool line_too_long;

/* The request whose bytes are being read; `wanted` is what is still missing. */
static struct {
	bool active;
	request_id id;
	take_body *take;
	char *target;
	char *bytes;
	size_t length;
	size_t wanted;
} body;

static void misunderstood(request_id id, const char *why)
{
	frame_line("%llu error %s", id, why);
}

static bool parse_number(const char *word, unsigned long long limit, unsigned long long *number)
{
	char *end;

	if (word[0] < '0' || word[0] > '9')
		return false;
	errno = 0;
	*number = strtoull(word, &end, 10);
	return !errno && *end == '\0' && *number <= limit;
}

/* Cut the first word off `*rest` and return it. */
static char *next_word(char **rest)
{
	char *word = *rest;
	char *space = strchr(word, ' ');

	if (space) {
		*space = '\0';
		*rest = space + 1;
	} else {
		*rest = word + strlen(word);
	}
	return word;
}

static void body_expect(request_id id, take_body *take, const char *target, const char *length)
{
	unsigned long long number;

	if (!parse_number(length, BODY_LIMIT, &number))
		return misunderstood(id, "LENGTH is not a number of bytes up to 64 MiB");
	body.bytes = malloc(number + 1);
	body.target = strdup(target);
	if (!body.bytes || !body.target)
		abort();
	body.active = true;
	body.id = id;
	body.take = take;
	body.length = 0;
	body.wanted = number;
}

static void take_input(request_id id, const char *target, const char *bytes, size_t length)
{
	(void)target;
	job_input(id, bytes, length);
}

static void take_file(request_id id, const char *target, const char *bytes, size_t length)
{
	frame_line("%llu exit %d", id, file_write(target, bytes, length));
}

static void take_entropy(request_id id, const char *target, const char *bytes, size_t length)
{
	(void)target;
	frame_line("%llu exit %d", id, entropy_add(bytes, length));
}

static void ask_ping(request_id id, char *rest)
{
	(void)rest;
	frame_line("%llu exit 0", id);
}

static void ask_run(request_id id, char *rest)
{
	char *word = next_word(&rest), *end;
	double seconds = strtod(word, &end);

	if (end == word || *end || !(seconds >= 0 && seconds < 1e9))
		return misunderstood(id, "SECONDS is not a number");
	if (!*rest)
		return misunderstood(id, "no command");
	job_run(id, rest, seconds);
}

static void ask_start(request_id id, char *rest)
{
	if (!*rest)
		return misunderstood(id, "no command");
	job_start(id, rest);
}

static void ask_input(request_id id, char *rest)
{
	body_expect(id, take_input, "", rest);
}

static void ask_eof(request_id id, char *rest)
{
	(void)rest;
	job_eof(id);
}

static void ask_kill(request_id id, char *rest)
{
	unsigned long long number;

	if (!parse_number(rest, 64, &number))
		return misunderstood(id, "SIGNUMBER is not a signal");
	job_kill(id, number);
}

static void ask_read(request_id id, char *rest)
{
	job_read(id, rest);
}

static void ask_blocks(request_id id, char *rest)
{
	char *text = NULL;
	size_t length = 0;
	int reason = blocks_list(rest, &text, &length);

	for (size_t sent = 0; sent < length; sent += FRAME_PAYLOAD)
		frame_data(id, "out", text + sent,
			   length - sent < FRAME_PAYLOAD ? length - sent : FRAME_PAYLOAD);
	free(text);
	frame_line("%llu exit %d", id, reason);
}

static void ask_write(request_id id, char *rest)
{
	char *space = strrchr(rest, ' ');

	if (!space)
		return misunderstood(id, "write takes PATH and LENGTH");
	*space = '\0';
	body_expect(id, take_file, rest, space + 1);
}

static void ask_clock(request_id id, char *rest)
{
	unsigned long long seconds, nanoseconds;
	const char *first = next_word(&rest);

	if (!parse_number(first, 1ull << 40, &seconds) ||
	    !parse_number(rest, 999999999, &nanoseconds))
		return misunderstood(id, "clock takes SECONDS and NANOSECONDS");
	frame_line("%llu exit %d", id, clock_set(seconds, nanoseconds));
}

static void ask_entropy(request_id id, char *rest)
{
	body_expect(id, take_entropy, "", rest);
}

static const struct verb {
	const char *name;
	void (*ask)(request_id id, char *rest);
	bool on_job; /* speaks of a running job, so its id is in use */
} verbs[] = {
	{"ping", ask_ping, false},	 {"run", ask_run, false},     {"start", ask_start, false},
	{"input", ask_input, true},	 {"eof", ask_eof, true},      {"kill", ask_kill, true},
	{"read", ask_read, false},	 {"write", ask_write, false}, {"clock", ask_clock, false},
	{"entropy", ask_entropy, false}, {"blocks", ask_blocks, false},
};

static const struct verb *find_verb(const char *name)
{
	for (size_t index = 0; index < sizeof(verbs) / sizeof(verbs[0]); index++)
		if (!strcmp(verbs[index].name, name))
			return &verbs[index];
	return NULL;
}

static void carry_out(char *request)
{
	char *rest = request;
	const char *word = next_word(&rest);
	const struct verb *verb;
	request_id id;

	if (!strcmp(word, "help"))
		return frame_text(help);
	if (!parse_number(word, -1ull, &id))
		return misunderstood(0, "a request starts with a number; try help");
	verb = find_verb(next_word(&rest));
	if (!verb)
		return misunderstood(id, "no such verb; try help");
	if (!verb->on_job && job_exists(id))
		return misunderstood(id, "this id is in use");
	verb->ask(id, rest);
}

static void body_done(void)
{
	body.active = false;
	body.take(body.id, body.target, body.bytes, body.length);
	free(body.bytes);
	free(body.target);
}

static void line_done(void)
{
	if (line_length && line[line_length - 1] == '\r')
		line_length--;
	line[line_length] = '\0';
	if (line_too_long)
		misunderstood(0, "the line is longer than 65,535 bytes");
	else if (line_length)
		carry_out(line);
	line_length = 0;
	line_too_long = false;
	if (body.active && !body.wanted)
		body_done();
}

/* Each of these takes what it can use and returns how many bytes that was. */
static size_t take_for_body(const char *bytes, size_t length)
{
	size_t part = length < body.wanted ? length : body.wanted;

	memcpy(body.bytes + body.length, bytes, part);
	body.length += part;
	body.wanted -= part;
	if (!body.wanted)
		body_done();
	return part;
}

static size_t take_for_line(const char *bytes, size_t length)
{
	const char *newline = memchr(bytes, '\n', length);
	size_t part = newline ? (size_t)(newline - bytes) : length;

	if (line_length + part >= sizeof(line))
		line_too_long = true;
	if (line_too_long) {
		line_length = 0;
	} else {
		memcpy(line + line_length, bytes, part);
		line_length += part;
	}
	if (!newline)
		return part;
	line_done();
	return part + 1;
}

void requests_take(const char *bytes, size_t length)
{
	while (length) {
		size_t part = body.active ? take_for_body(bytes, length)
					  : take_for_line(bytes, length);

		bytes += part;
		length -= part;
	}
}

void requests_reset(void)
{
	line_length = 0;
	line_too_long = false;
	if (body.active) {
		free(body.bytes);
		free(body.target);
		body.active = false;
	}
}
