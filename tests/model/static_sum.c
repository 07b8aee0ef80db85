/* What comes from standard input: how many bytes, and a hash. Static, so that the shim is not there. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	static unsigned char buffer[65536];
	unsigned long h = 14695981039346656037ul, n = 0;
	ssize_t got;

	while ((got = read(0, buffer, sizeof(buffer))) > 0) {
		for (ssize_t i = 0; i < got; i++)
			h = (h ^ buffer[i]) * 1099511628211ul;
		n += (unsigned long)got;
	}
	printf("%lu %016lx%s", n, h, got < 0 ? " error" : "");
	return 0;
}
