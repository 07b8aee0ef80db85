#include "ctl.h"

#include <stdio.h>

void ctl_put_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20)
			printf("\\u%04x", (unsigned)*text);
		else
			printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	}
	putchar('"');
}

void ctl_put_plain(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			printf("\\x%02x", (unsigned char)*text);
		else
			putchar(*text);
	}
}

void ctl_complain(const struct err *err)
{
	fflush(stdout);
	fprintf(stderr, "s3ctl: %s\n", err_text(err));
}
