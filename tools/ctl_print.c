#include "ctl.h"

#include <stdio.h>

void ctl_write_string(FILE *to, const char *text)
{
	putc('"', to);
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20)
			fprintf(to, "\\u%04x", (unsigned)*text);
		else
			fprintf(to, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	}
	putc('"', to);
}

void ctl_put_string(const char *text)
{
	ctl_write_string(stdout, text);
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
