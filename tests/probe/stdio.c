/* stdio: every mode, reopening, seeking, appending, and what is in the file afterwards. */
#include "probe.h"

int main(int argc, char **argv)
{
	char line[256];
	FILE *f, *g;
	size_t n;
	int c;

	enter(argc, argv);
	ok("r missing", fopen("missing", "r") ? 0 : -1);
	f = fopen("f", "w");
	ok("w", f ? 0 : -1);
	say("fprintf", fprintf(f, "line %d\n", 1));
	say("fputs", fputs("line 2\nline 3\n", f) >= 0);
	say("ftell", ftell(f));
	say("fclose", fclose(f));
	show("f");
	f = fopen("f", "r");
	while (fgets(line, sizeof(line), f))
		printf("got %s", line);
	say("feof", feof(f) != 0);
	rewind(f);
	c = getc(f);
	printf("getc '%c'\n", c);
	ungetc('L', f);
	say("fread", (long)fread(line, 1, 6, f));
	printf("'%.6s'\n", line);
	say("fseek", fseek(f, -7, SEEK_END));
	printf("'%s'\n", fgets(line, sizeof(line), f) ? line : "nothing");
	printf("fputc to r: %d\n", fputc('x', f)); /* errno differs between libcs */
	clearerr(f);
	say("fileno", fileno(f) > 2);
	fclose(f);
	f = fopen("f", "a");
	fprintf(f, "line 4\n");
	fclose(f);
	f = fopen("f", "a+");
	rewind(f);
	printf("a+ reads '%s'\n", fgets(line, sizeof(line), f) ? line : "nothing");
	fprintf(f, "line 5\n");
	fclose(f);
	show("f");
	f = fopen("f", "r+");
	fputs("LINE", f);
	fseek(f, 0, SEEK_CUR);
	printf("r+ reads '%s'\n", fgets(line, sizeof(line), f) ? line : "nothing");
	fclose(f);
	show("f");
	f = fopen("f", "w+");
	fputs("new", f);
	rewind(f);
	n = fread(line, 1, sizeof(line), f);
	printf("w+ %zu\n", n);
	fclose(f);
	ok("wx on a file", fopen("f", "wx") ? 0 : -1);
	ok("w a folder", (mkdir("d", 0755), fopen("d", "w")) ? 0 : -1);
	f = fopen("f", "r");
	g = freopen("g", "w", f);
	ok("freopen", g ? 0 : -1);
	fputs("reopened", g);
	fclose(g);
	show("g");
	f = fdopen(open("h", O_WRONLY | O_CREAT, 0644), "w");
	ok("fdopen", f ? 0 : -1);
	fputs("by descriptor", f);
	say("fflush", fflush(f));
	size_of("h");
	fclose(f);
	f = fopen("big", "w");
	setvbuf(f, NULL, _IOFBF, 1000);
	for (int i = 0; i < 50000; i++)
		fprintf(f, "%d\n", i);
	fclose(f);
	size_of("big");
	f = fopen("big", "r");
	for (n = 0; fgets(line, sizeof(line), f);)
		n += (size_t)atoi(line);
	printf("sum %zu\n", n);
	fclose(f);
	f = freopen("out", "w", stdout);
	if (!f)
		return 1;
	printf("to a file");
	fflush(stdout);
	return 0;
}
