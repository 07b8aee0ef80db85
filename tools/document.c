/*
 * document: the parts of the documents that say what a table says, on stdout; docs/generate.py puts them in their places.
 *
 *   options.md     docs/OPTIONS.md: every option with key, flag, environment name, default
 *   options.man    docs/s3run.1: flags and environment names
 *   keys.man       docs/s3shim.conf.5: keys at the top of the file
 *   sandbox.man    docs/s3shim.conf.5: keys of an S3 sandbox
 *   errors.md      docs/ERRORS.md: what S3 refuses with
 *   quotas.md      docs/ERRORS.md: quotas of a session
 *
 * Not installed.
 */
#include "config/option.h"

#include "base/util.h"

#include <stdio.h>
#include <string.h>

static const char *const groups[] = {
	[OPTION_GROUP_MOUNT] = "Of a mount",
	[OPTION_GROUP_SESSION] = "Of the session",
	[OPTION_GROUP_RUN] = "Of s3run",
	[OPTION_GROUP_DAEMON] = "Of s3shimd",
};
/* What goes there, in a word or a few. */
static const char *kind(enum option_type type)
{
	switch (type) {
	case OPTION_TYPE_SECRET:
		return "a secret";
	case OPTION_TYPE_PATH:
	case OPTION_TYPE_LOG_PATH:
		return "a path";
	case OPTION_TYPE_STRING:
	case OPTION_TYPE_MOUNT:
		return "a text";
	default:
		return option_is_bool(type) ? "true or false" : option_shape(type);
	}
}

static const enum option_group order[] = { OPTION_GROUP_MOUNT, OPTION_GROUP_SESSION, OPTION_GROUP_RUN,
					   OPTION_GROUP_DAEMON };

/* The blank-separated @names, each between @before and @after, with @between in the middle. */
static void put_names(const char *names, const char *before, const char *after, const char *between)
{
	for (bool first = true; names && *names; first = false) {
		int n = (int)strcspn(names, " ");
		printf("%s%s%.*s%s", first ? "" : between, before, n, names, after);
		names += n;
		names += strspn(names, " ");
	}
}

/* The help is the flag's, `--no-x`, which says false of the key. */
static bool says_no(const struct option_row *row)
{
	return option_is_bool(row->type) && row->type != OPTION_TYPE_BOOL;
}

/* In a table's cell of Markdown: bars escaped. */
static void put_cell(const char *text)
{
	for (; *text; text++)
		printf(*text == '|' ? "\\|" : "%c", *text);
}

static void markdown_row(const struct option_row *row)
{
	printf("| ");
	put_names(row->key, "`", "`", ", ");
	printf(" | ");
	put_names(row->flag, "`--", "`", ", ");
	if (row->flag && row->unit) {
		printf(" ");
		put_cell(row->unit);
	}
	printf(" | ");
	put_names(row->env, "`", "`", ", ");
	printf(" | %s | ", kind(row->type));
	printf(row->fallback ? "`%s` | " : "%s| ", row->fallback ? row->fallback : "");
	printf("%s", says_no(row) ? "false: " : "");
	put_cell(row->help);
	printf(" |\n");
}

static void options_md(void)
{
	for (size_t g = 0; g < ARRAY_SIZE(order); g++) {
		printf("%s## %s\n\n| key | flag | environment | value | default | what |\n|---|---|---|---|---|---|\n",
		       g ? "\n" : "", groups[order[g]]);
		for (int i = 0; i < OPT_MAX; i++)
			if (option_rows[i].group == order[g])
				markdown_row(&option_rows[i]);
	}
}

/* A line of mdoc(7) that begins with none of its control characters. */
static void put_line(const char *text, const char *fallback)
{
	printf("%s%c%s", strchr(".'", text[0]) ? "\\&" : "", text[0] >= 'a' && text[0] <= 'z' ? text[0] - 32 : text[0],
	       text + 1);
	if (fallback)
		printf("; default %s", fallback);
	printf(".\n");
}

static void flag_man(const struct option_row *row)
{
	printf(".It ");
	put_names(row->flag, "Fl -", "", " , ");
	if (row->unit)
		printf(" Ar %s", row->unit);
	if (row->env) {
		printf(" Bq ");
		put_names(row->env, "Ev ", "", " , ");
	}
	printf("\n");
	put_line(row->help, option_is_bool(row->type) ? NULL : row->fallback);
}

static void options_man(void)
{
	for (size_t g = 0; g < ARRAY_SIZE(order); g++) {
		if (order[g] == OPTION_GROUP_DAEMON)
			continue;
		printf(".Ss %s\n.Bl -tag -width Ds\n", groups[order[g]]);
		for (int i = 0; i < OPT_MAX; i++)
			if (option_rows[i].group == order[g] && option_rows[i].flag)
				flag_man(&option_rows[i]);
		printf(".El\n");
	}
}

static void keys_man(bool sandbox)
{
	printf(".Bl -tag -width Ds\n");
	for (int i = 0; i < OPT_MAX; i++) {
		const struct option_row *row = &option_rows[i];
		if (!row->key || sandbox != (row->group == OPTION_GROUP_MOUNT))
			continue;
		printf(".It ");
		put_names(row->key, "Cm ", "", " , ");
		printf(" : %s\n", kind(row->type));
		if (says_no(row))
			printf("False:\n%s.\n", row->help);
		else
			put_line(row->help, row->fallback);
	}
	printf(".El\n");
}

static void errors_md(void)
{
	static const struct {
		const char *code, *errnum, *class, *sentence;
		int status;
	} rows[] = {
#define E(code, status, errnum, class, sentence) { code, #errnum, #class, sentence, status },
#include "s3/errors.def"
#undef E
	};

	printf("| code | status | errno | tried again | sentence |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *class = rows[i].class;
		printf(*rows[i].code ? "| `%s` " : "| %s", rows[i].code);
		printf("| %d | `%s` | %s | ", rows[i].status, rows[i].errnum,
		       strcmp(class, "FATAL") == 0       ? "no"
		       : strcmp(class, "TRANSIENT") == 0 ? "soon"
		       : strcmp(class, "THROTTLE") == 0  ? "later"
		       : strcmp(class, "REGION") == 0    ? "once, in the region that it names"
							 : "once, by the store's clock");
		put_cell(rows[i].sentence);
		printf(" |\n");
	}
}

static void quotas_md(void)
{
	static const struct {
		const char *sentence, *errnum;
	} rows[] = {
#define Q(name, errnum, unit, sentence) { sentence, #errnum },
#include "s3/quota.def"
#undef Q
	};

	printf("| what has ended | errno |\n|---|---|\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		printf("| %s | `%s` |\n", rows[i].sentence, rows[i].errnum);
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (strcmp(what, "options.md") == 0)
		options_md();
	else if (strcmp(what, "options.man") == 0)
		options_man();
	else if (strcmp(what, "keys.man") == 0 || strcmp(what, "sandbox.man") == 0)
		keys_man(what[0] == 's');
	else if (strcmp(what, "errors.md") == 0)
		errors_md();
	else if (strcmp(what, "quotas.md") == 0)
		quotas_md();
	else
		return 2;
	return 0;
}
