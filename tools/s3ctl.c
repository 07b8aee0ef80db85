/*
 * s3ctl: look at brokers that run (status), work on what they mount (ls, cat, get, put, rm), and at what they left behind
 * (recover, sweep); check a configuration.
 *
 * Exit status (but stage's, which are s3run's for assets): 0; 1 where what was asked for could not be had; 2 where the question was not understood.
 */
#include "base/err.h"
#include "base/util.h"
#include "config/option.h"
#include "ctl.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const struct command {
	const char *name;
	int (*run)(struct ctl *q, struct err *err);
	int words_min, words_max;
	const char *options; /* that it takes, but for --help and --version */
	const char *usage;
} commands[] = {
	{ "status", ctl_status, 0, 0, "--socket --json",
	  "status [--socket PATH] [--json]            sessions, open files, uploads, last errors" },
	{ "ls", ctl_ls, 1, INT_MAX, "--socket --json -l",
	  "ls [-l | --json] [--socket PATH] PATH...   what a session's mounts hold" },
	{ "cat", ctl_cat, 1, INT_MAX, "--socket",
	  "cat [--socket PATH] PATH...                files of them, to stdout" },
	{ "get", ctl_get, 1, 2, "--socket", "get [--socket PATH] PATH [LOCAL]           one file to a local one" },
	{ "put", ctl_put, 2, 2, "--socket", "put [--socket PATH] LOCAL PATH             the other way; - is stdin" },
	{ "rm", ctl_rm, 1, INT_MAX, "--socket -r",
	  "rm [-r] [--socket PATH] PATH...            remove files, or folders" },
	{ "recover", ctl_recover, 0, 1000, "--cache-dir --json --force",
	  "recover [list] [--cache-dir FOLDER] [--json]  files whose upload failed or was cut off\n"
	  "       s3ctl recover show|cat|drop WHICH [--cache-dir FOLDER]  WHICH: a path or s3://bucket/key as listed, "
	  "or all\n"
	  "       s3ctl recover write WHICH [--force] [--cache-dir FOLDER] [-- OPTIONS]  upload it; OPTIONS: s3run's" },
	{ "sweep", ctl_sweep, 0, 0, "--json",
	  "sweep [--older-than AGE] [--abort] [--all] [--json] [OPTIONS OF s3run]  uploads that nobody finished" },
	{ "stage", NULL, 0, 0, "",
	  "stage FILE --root FOLDER [--report FILE] [OPTIONS OF s3run]  assets as files below a root" },
	{ "session", NULL, 0, 0, "",
	  "session add|list|end ...                   sessions of a daemon, s3shimd --listen; see session --help" },
	{ "config", ctl_config, 2, 2, "--json", "config check [--json] FILE                 what each user would see" },
};

static int usage(FILE *to, int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(to, "%s s3ctl %s\n", i ? "      " : "usage:", commands[i].usage);
	fprintf(to, "       s3ctl --help | --version\n");
	return status;
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int bad_word(const char *word)
{
	static const char *const options[] = { "--socket",  "--json",  "--cache-dir", "--force",      "--help",
					       "--version", "--abort", "--all",       "--older-than", NULL };
	const char *names[ARRAY_SIZE(commands) + 1] = { NULL };
	const char *near;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		names[i] = commands[i].name;
	near = option_nearest(word, word[0] == '-' ? options : names);
	fprintf(stderr, "s3ctl: unknown %s '%s'%s%s%s\n", word[0] == '-' ? "option" : "command", word,
		near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	return usage(stderr, EXIT_USAGE);
}

bool ctl_take_value(char **argv, int argc, int *at, const char *name, const char **ret)
{
	size_t n = strlen(name);

	if (strncmp(argv[*at], name, n) != 0)
		return false;
	if (argv[*at][n] == '=')
		*ret = argv[*at] + n + 1;
	else if (!argv[*at][n] && *at + 1 < argc)
		*ret = argv[++*at];
	else
		return false;
	return true;
}

static bool take_flag(const char *word, const char *name, bool *ret)
{
	if (strcmp(word, name) != 0)
		return false;
	*ret = true;
	return true;
}

/* An option at argv[*at], of whatever command. */
static bool take_option(struct ctl *q, char **argv, int argc, int *at)
{
	return take_flag(argv[*at], "--json", &q->json) || take_flag(argv[*at], "--force", &q->force) ||
	       take_flag(argv[*at], "-l", &q->long_form) || take_flag(argv[*at], "-r", &q->recursive) ||
	       ctl_take_value(argv, argc, at, "--socket", &q->socket) ||
	       ctl_take_value(argv, argc, at, "--cache-dir", &q->cache_dir);
}

/* An option that was given and that the command has no use for; NULL: none. */
static const char *useless_option(const struct command *c, const struct ctl *q)
{
	const struct {
		const char *name;
		bool given;
	} options[] = { { "--json", q->json },  { "--force", q->force },   { "-l", q->long_form },
			{ "-r", q->recursive }, { "--socket", q->socket }, { "--cache-dir", q->cache_dir } };

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (options[i].given && !strstr(c->options, options[i].name))
			return options[i].name;
	return NULL;
}

static int run(const struct command *c, struct ctl *q)
{
	const char *useless = useless_option(c, q);
	struct err err = ERR_INIT;
	int r;

	if (useless || q->word_count < c->words_min || q->word_count > c->words_max) {
		if (useless)
			fprintf(stderr, "s3ctl: %s takes no %s\n", c->name, useless);
		fprintf(stderr, "usage: s3ctl %s\n", c->usage);
		return EXIT_USAGE;
	}
	r = c->run(q, &err);
	if (r < 0)
		ctl_complain(&err);
	if (fflush(stdout) != 0 && r >= 0) {
		fprintf(stderr, "s3ctl: stdout: %s\n", strerror(errno));
		r = -EIO;
	}
	return r < 0 ? EXIT_FAILED : 0;
}

/* `sweep` looks at a mount as s3run would see it: what it does not know itself is s3run's. */
static int run_sweep(const struct command *c, int argc, char **argv)
{
	struct ctl q = { .rest = argv + 1, .rest_count = 1 };

	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return usage(stdout, 0);
		if (take_flag(argv[i], "--json", &q.json) || take_flag(argv[i], "--abort", &q.abort) ||
		    take_flag(argv[i], "--all", &q.all) ||
		    ctl_take_value(argv, argc, &i, "--older-than", &q.older_than))
			continue;
		if (strncmp(argv[i], "--", 2) == 0 && option_by_flag(argv[i] + 2, strcspn(argv[i] + 2, "=")) < 0)
			return bad_word(argv[i]);
		q.rest[q.rest_count++] = argv[i];
	}
	return run(c, &q);
}

int main(int argc, char **argv)
{
	struct ctl q = { .words = argv }; /* what is no option moves to its front */
	const struct command *c = NULL;
	bool options = true;

	prctl(PR_SET_DUMPABLE, 0);
	if (argc > 1 && strcmp(argv[1], "sweep") == 0)
		return run_sweep(find(argv[1]), argc, argv);
	if (argc > 1 && strcmp(argv[1], "stage") == 0)
		return ctl_stage(argc, argv);
	if (argc > 1 && strcmp(argv[1], "session") == 0)
		return ctl_session(argc, argv);
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];
		if (options && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0))
			return usage(stdout, 0);
		if (options && strcmp(word, "--version") == 0) {
			printf("s3ctl %s\n", S3SHIM_VERSION);
			return 0;
		}
		if (options && strcmp(word, "--") == 0) {
			options = false;
		} else if (options && word[0] == '-' && word[1]) {
			if (!take_option(&q, argv, argc, &i))
				return bad_word(word);
		} else if (c) {
			q.words[q.word_count++] = argv[i];
		} else if (!(c = find(word))) {
			return bad_word(word);
		}
	}
	return c && c->run ? run(c, &q) : usage(stderr, EXIT_USAGE);
}
