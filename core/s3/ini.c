#include "s3/ini.h"

#include "base/util.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	for (len = strlen(text); len && isspace((unsigned char)text[len - 1]); len--)
		text[len - 1] = '\0';
	return text;
}

static int section_line(char *text, char *section, size_t size)
{
	char *end = strchr(text, ']');

	if (!end)
		return -EINVAL;
	*end = '\0';
	text = trim(text + 1);
	/* "profile   x" is "profile x" */
	if (strncmp(text, "profile", 7) == 0 && isspace((unsigned char)text[7]))
		snprintf(section, size, "profile %s", trim(text + 8));
	else
		snprintf(section, size, "%s", text);
	return 0;
}

static int entry_line(char *text, char **ret_value)
{
	char *equals = strchr(text, '=');

	if (!equals || equals == text)
		return -EINVAL;
	*equals = '\0';
	for (char *p = trim(text); *p; p++)
		*p = (char)tolower((unsigned char)*p);
	trim(text);
	*ret_value = trim(equals + 1);
	return 0;
}

static int read_line(char *line, int number, char *section, size_t size, const struct ini_handler *handler)
{
	bool nested = *line == ' ' || *line == '\t';
	char *value, *text = trim(line);

	if (!*text || *text == '#' || *text == ';' || nested)
		return 0;
	if (*text == '[') {
		int r = section_line(text, section, size);
		return r < 0 ? r : handler->entry(handler->arg, section, NULL, NULL, number);
	}
	int r = entry_line(text, &value);
	return r < 0 ? r : handler->entry(handler->arg, section, text, value, number);
}

int ini_read(const char *path, const struct ini_handler *handler, struct err *err)
{
	cleanup_free char *line = NULL;
	char section[256] = "";
	size_t room = 0;
	int r = 0, number = 0;
	FILE *file = fopen(path, "re");

	if (!file)
		return errno == ENOENT || errno == ENOTDIR ? -ENOENT
							   : err_set(err, errno, "'%s': %s", path, strerror(errno));
	while (r == 0 && getline(&line, &room, file) >= 0) {
		r = read_line(line, ++number, section, sizeof(section), handler);
		if (r == -EINVAL)
			err_set(err, EINVAL, "'%s' line %d: want [section] or name = value", path, number);
	}
	if (r == 0 && ferror(file))
		r = err_set(err, EIO, "'%s': cannot be read", path);
	fclose(file);
	if (line)
		explicit_bzero(line, room);
	return r;
}
