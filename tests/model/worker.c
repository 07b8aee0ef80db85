/* The loop of a worker; the commands are in its other files. worker ROOT SELF CHANNEL... (see commands_process.c) */
#include "worker.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int self;
const char *root;
char **worker_argv;
unsigned char *buffer;

static char *text;
static size_t text_len, text_room;

long number(const char *word)
{
	char *end;
	long n = strtol(word, &end, 0);

	if (*end || !*word) {
		fprintf(stderr, "worker: '%s' is no number\n", word);
		exit(2);
	}
	return n;
}

int folder(const char *word)
{
	return *word == '-' ? AT_FDCWD : (int)number(word);
}

static void unescape(char *word)
{
	char *out = word;

	for (; *word; word++, out++) {
		*out = *word;
		if (*word == '%' && isxdigit((unsigned char)word[1]) && isxdigit((unsigned char)word[2])) {
			char hex[] = { word[1], word[2], 0 };

			*out = (char)strtol(hex, NULL, 16);
			word += 2;
		}
	}
	*out = 0;
}

const char *path(const char *word)
{
	static char buf[4][2 * PATH_MAX];
	static unsigned next;
	char *p = buf[next++ % 4];

	if (*word == '@')
		snprintf(p, sizeof(buf[0]), "%s%s", root, word + 1);
	else
		snprintf(p, sizeof(buf[0]), "%s", word);
	return p;
}

void text_begin(const char *first)
{
	text_len = 0;
	text_add("%s", first);
}

void text_add(const char *format, ...)
{
	va_list ap;

	for (;;) {
		int n;

		va_start(ap, format);
		n = vsnprintf(text + text_len, text_room - text_len, format, ap);
		va_end(ap);
		if ((size_t)n < text_room - text_len) {
			text_len += (size_t)n;
			return;
		}
		text_room = 2 * text_room + (size_t)n + 1;
		text = realloc(text, text_room);
	}
}

void text_add_name(const char *name)
{
	size_t n = strlen(root);

	while (*name) {
		if (strncmp(name, root, n) == 0 && !isalnum((unsigned char)name[n])) {
			text_add("@");
			name += n;
			continue;
		}
		text_add(*name > ' ' && *name < 127 && !strchr("%,;:", *name) ? "%c" : "%%%02x", (unsigned char)*name);
		name++;
	}
}

void text_answer(void)
{
	size_t done = 0;

	text_add("\n");
	while (done < text_len) {
		ssize_t n = write(CHANNEL_FIRST + self, text + done, text_len - done);

		if (n < 0)
			_exit(3);
		done += (size_t)n;
	}
}

void answer_text(const char *format, ...)
{
	char line[4096];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	text_begin(line);
	text_answer();
}

void answer(long result)
{
	const char *name = strerrorname_np(errno);

	if (result < 0)
		answer_text("err %s", name ? name : "?");
	else
		answer_text("ok %ld", result);
}

/* Capital letters: what is written over a script says nothing that a shell knows. */
void fill(unsigned char *p, size_t n, unsigned long seed)
{
	unsigned long x = seed * 0x9e3779b97f4a7c15ul + 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 6364136223846793005ul + 1442695040888963407ul;
		p[i] = (unsigned char)('A' + (x >> 33) % 26);
	}
}

unsigned long hash(const unsigned char *p, size_t n)
{
	unsigned long h = 14695981039346656037ul;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 1099511628211ul;
	return h;
}

void text_add_stat(const struct stat *st)
{
	const char *types = "?pc?d?b?-?l?s???";

	text_add(" %c%04o", types[st->st_mode >> 12], st->st_mode & 07777);
	text_add(" %u:%u", st->st_uid, st->st_gid);
	if (!S_ISDIR(st->st_mode))
		text_add(" links=%lu size=%ld", (unsigned long)st->st_nlink, (long)st->st_size);
	/* Times that tests set are long ago, the others are now. docs/SEMANTICS.md: folder-times, folder-links */
	if (st->st_mtim.tv_sec < 1000000000 && !S_ISDIR(st->st_mode))
		text_add(" mtime=%ld.%09ld", (long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

static void run(char *line)
{
	static const struct command *const tables[] = { commands_data, commands_names, commands_streams,
							commands_process };
	char *word[16];
	int n = 0;

	for (char *p = strtok(line, " "); p && n < 16; p = strtok(NULL, " "))
		unescape(word[n++] = p);
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct command *c = tables[t]; c->name; c++)
			if (n > 0 && strcmp(c->name, word[0]) == 0 && n == c->words + 1) {
				errno = 0;
				c->run(word + 1);
				return;
			}
	fprintf(stderr, "worker: no command '%s' with %d words\n", n ? word[0] : "", n - 1);
	exit(2);
}

/* A line of at most this many bytes; a command is written by one write and is the only one under way. */
static void loop(void)
{
	static char line[2 * PATH_MAX];
	size_t len = 0;

	for (;;) {
		ssize_t n = read(CHANNEL_FIRST + self, line + len, sizeof(line) - 1 - len);
		char *end;

		if (n <= 0)
			exit(0);
		len += (size_t)n;
		line[len] = 0;
		end = strchr(line, '\n');
		if (!end)
			continue;
		*end = 0;
		len = 0;
		run(line);
	}
}

int main(int argc, char **argv)
{
	int fd[CHANNELS];

	if (argc < 4 || argc > 3 + CHANNELS) {
		fprintf(stderr, "usage: %s ROOT SELF CHANNEL...\n", argv[0]);
		return 2;
	}
	root = argv[1];
	self = (int)number(argv[2]);
	worker_argv = argv;
	umask(022);
	text_room = 65536;
	text = malloc(text_room);
	buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < argc - 3; i++) {
		fd[i] = (int)number(argv[3 + i]);
		if (fd[i] >= 0 && fd[i] < CHANNEL_FIRST) { /* the first worker: put them where they stay */
			dup2(fd[i], CHANNEL_FIRST + i);
			close(fd[i]);
		}
	}
	signal(SIGPIPE, SIG_IGN);
	text_begin("ok");
	for (int i = 0; i < CHANNEL_FIRST; i++)
		if (fcntl(i, F_GETFD) >= 0)
			text_add(" %d", i);
	text_answer();
	loop();
}
