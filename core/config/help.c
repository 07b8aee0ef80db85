#include "config/config.h"
#include "config/option.h"

#include <stdio.h>
#include <string.h>

#define HELP_INDENT 28
#define HELP_WIDTH  80

/* @text in lines of at most HELP_WIDTH, all but the first indented; @column: where the first begins. */
static void put_wrapped(int fd, const char *text, size_t column)
{
	while (*text) {
		size_t n = strcspn(text, " ");
		if (column > HELP_INDENT && column + n + 1 > HELP_WIDTH) {
			dprintf(fd, "\n%*s", HELP_INDENT, "");
			column = HELP_INDENT;
		} else if (column > HELP_INDENT) {
			dprintf(fd, " ");
			column++;
		}
		dprintf(fd, "%.*s", (int)n, text);
		column += n;
		text += n;
		text += strspn(text, " ");
	}
	dprintf(fd, "\n");
}

void config_help(int fd, bool daemon)
{
	for (int i = 0; i < OPT_MAX; i++) {
		const struct option_row *row = &option_rows[i];
		bool ours = row->group == OPTION_GROUP_RUN ? !daemon : row->group != OPTION_GROUP_DAEMON || daemon;
		bool fallback = row->fallback && !option_is_bool(row->type);
		char left[64], text[1024];
		if (!row->flag || !ours)
			continue;
		(void)snprintf(left, sizeof(left), "--%.*s%s%s", (int)strcspn(row->flag, " "), row->flag,
			       row->unit ? " " : "", row->unit ? row->unit : "");
		(void)snprintf(text, sizeof(text), "%s%s%s%s%.*s%s", row->help, fallback ? "; default " : "",
			       fallback ? row->fallback : "", row->env ? " [" : "",
			       row->env ? (int)strcspn(row->env, " ") : 0, row->env ? row->env : "",
			       row->env ? "]" : "");
		dprintf(fd, "  %-*s", HELP_INDENT - 2, left);
		if (strlen(left) > HELP_INDENT - 3)
			dprintf(fd, "\n%*s", HELP_INDENT, "");
		put_wrapped(fd, text, HELP_INDENT);
	}
}
