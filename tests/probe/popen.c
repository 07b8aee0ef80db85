/* popen, pclose and system in the folder: two streams at once, each command sees the end of its own input. */
#include "probe.h"

int main(int argc, char **argv)
{
	char line[32] = "";
	FILE *a, *b, *r;

	probe_begin(argc, argv);
	alarm(30);
	say("chdir", chdir(probe_dir));
	a = popen("cat >first", "w");
	b = popen("cat >second", "w");
	say("a", a && fputs("one\n", a) >= 0);
	say("b", b && fputs("two\n", b) >= 0);
	say("pclose a", pclose(a));
	say("pclose b", pclose(b));
	r = popen("cat first second; exit 3", "r");
	while (r && fgets(line, sizeof(line), r))
		printf("got %s", line);
	say("pclose r", WEXITSTATUS(pclose(r)));
	say("popen with a bad mode", popen("true", "x") != NULL);
	say("system", WEXITSTATUS(system("test -s first && exit 4")));
	say("system of what is not there", WEXITSTATUS(system("./none 2>/dev/null")));
	return 0;
}
