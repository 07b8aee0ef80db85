/** suite.h - a session and a greeted connection for each test of the file; see client.h. */
#ifndef S3SHIM_TESTS_BROKER_SUITE_H
#define S3SHIM_TESTS_BROKER_SUITE_H

#include "base/util.h"
#include "client.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static struct session session;
static int conn;
static struct answer answer __attribute__((unused));

static void suite_begin(void)
{
	session_begin(&session);
	conn = client_greeted(&session);
}

static void suite_end(void)
{
	close(conn);
	session_end(&session);
}

#define SUITE(name) TestSuite(name, .init = suite_begin, .fini = suite_end)

#endif
