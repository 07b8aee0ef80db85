/* stdio: modes, positions, pushback, reopening, formatted reading. */
#include "probe.h"

static FILE *say_file(const char *what, FILE *f)
{
	say_ok(what, f ? 0 : -1);
	return f;
}

static void slurp(const char *what, FILE *f)
{
	char buf[200];
	size_t n = fread(buf, 1, sizeof(buf), f);

	printf("%s: %zu %.*s eof %d err %d\n", what, n, (int)n, buf, feof(f) != 0, ferror(f) != 0);
}

int main(int argc, char **argv)
{
	char line[64], *grown = NULL;
	size_t room = 0;
	int number = 0;
	FILE *f;

	probe_begin(argc, argv);
	say_file("r missing", fopen(at("none"), "r"));
	say_file("bad mode", fopen(at("f"), "q"));
	f = say_file("w", fopen(at("f"), "w"));
	say("fprintf", fprintf(f, "line %d\nline two\n%s", 1, "42 rest\n"));
	say("fputs", fputs("last", f) < 0 ? -1 : 0);
	say("read from w", fgetc(f) == EOF ? 0 : 1);
	say("fclose", fclose(f));
	f = say_file("r", fopen(at("f"), "r"));
	printf("fgets: %s", fgets(line, sizeof(line), f));
	say("ftell", ftell(f));
	say("fgetc", fgetc(f));
	say("ungetc", ungetc('X', f));
	say("ftell", ftell(f));
	say("getline", getline(&grown, &room, f));
	printf("got %s", grown);
	say("fscanf", fscanf(f, "%d", &number));
	say("number", number);
	slurp("rest", f);
	rewind(f);
	say("fseek end", fseek(f, -4, SEEK_END));
	slurp("tail", f);
	say("fseek bad", fseek(f, -1, SEEK_SET));
	say("write to r", fputs("x", f) == EOF ? 0 : 1);
	say("fclose", fclose(f));
	f = say_file("r+", fopen(at("f"), "r+"));
	say("fputs", fputs("LINE", f) < 0 ? -1 : 0);
	say("fflush", fflush(f));
	slurp("after", f);
	say("fclose", fclose(f));
	f = say_file("a", fopen(at("f"), "a"));
	fputs("+appended", f);
	say("fclose", fclose(f));
	f = say_file("a+", fopen(at("f"), "a+"));
	say("fseek", fseek(f, 0, SEEK_SET));
	printf("fgets: %s", fgets(line, sizeof(line), f));
	say("fseek", fseek(f, 0, SEEK_CUR));
	fputs("+more", f);
	say("fclose", fclose(f));
	show("f");
	say_file("wx existing", fopen(at("f"), "wx"));
	f = say_file("w+", fopen(at("g"), "w+"));
	fputs("both ways", f);
	rewind(f);
	slurp("w+", f);
	f = say_file("freopen", freopen(at("f"), "r", f));
	printf("fgets: %s", fgets(line, sizeof(line), f));
	say("fclose", fclose(f));
	int fd = open(at("g"), O_RDWR);
	f = say_file("fdopen", fdopen(fd, "r+"));
	say("fileno", fileno(f) == fd);
	say("setvbuf", setvbuf(f, NULL, _IONBF, 0));
	slurp("g", f);
	say("fclose", fclose(f));
	say("closed", fcntl(fd, F_GETFD));
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		if (!freopen(at("out"), "w", stdout))
			_exit(1);
		puts("to a file");
		exit(0);
	}
	say_child("freopen stdout", pid);
	show("out");
	f = fopen(at("big"), "w");
	for (int i = 0; i < 20000; i++)
		fprintf(f, "%d\n", i);
	say("big", ftell(f));
	say("fclose", fclose(f));
	long sum = 0, lines = 0;
	f = fopen(at("big"), "rb");
	while (getline(&grown, &room, f) > 0) {
		sum += atol(grown);
		lines++;
	}
	printf("lines %ld sum %ld\n", lines, sum);
	say("fseeko", fseeko(f, 100000, SEEK_SET));
	printf("fgets: %s", fgets(line, sizeof(line), f));
	fclose(f);
	free(grown);
	return 0;
}
