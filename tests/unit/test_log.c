/* The log: lines that can be read by machines whatever clients put into them,
 * and that wait for nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"

/* Standard error leads elsewhere for a while. */
struct capture {
	int saved;
	int reader;
};

static void capture_begin(struct capture *c, int reader, int writer)
{
	c->saved = dup(STDERR_FILENO);
	c->reader = reader;
	fcntl(reader, F_SETFL, O_NONBLOCK);
	assert_true(dup2(writer, STDERR_FILENO) >= 0);
	close(writer);
	log_open();
}

static void capture_pipe(struct capture *c)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	capture_begin(c, fds[0], fds[1]);
}

static char *capture_read(struct capture *c)
{
	struct buf b = { 0 };
	char bytes[4096];
	ssize_t n;

	while ((n = read(c->reader, bytes, sizeof(bytes))) > 0)
		buf_append(&b, bytes, (size_t)n);
	return buf_take_str(&b);
}

static void capture_end(struct capture *c)
{
	dup2(c->saved, STDERR_FILENO);
	close(c->saved);
	close(c->reader);
	log_open();
	log_setup(LOG_INFO, LOG_LOGFMT, "test");
}

/* A message as a line has it, from the quote that opens to the end. */
static void assert_line(
	enum log_format format, const char *msg, const char *expected)
{
	CLEANUP(freep) char *line = NULL;
	struct capture c;

	capture_pipe(&c);
	log_setup(LOG_INFO, format, "test");
	log_info(NULL, "test.said", "%s", msg);
	line = capture_read(&c);
	capture_end(&c);
	assert_non_null(strstr(line, "msg"));
	assert_string_equal(strpbrk(strstr(line, "msg"), "=:") + 1, expected);
}

static const struct {
	const char *msg;
	const char *quoted;
} texts[] = {
	{ "plain", "\"plain\"" },
	{ "a \"b\" \\ c\nd", "\"a \\\"b\\\" \\\\ c\\nd\"" },
	{ "\033[31m\177\t", "\"\\u001b[31m\\u007f\\u0009\"" },
	{ "größe \xe2\x82\xac \xf0\x9f\x90\x98",
		"\"größe \xe2\x82\xac \xf0\x9f\x90\x98\"" },
	{ "\xc2\x9b"
	  "31m",
		"\"\\u009b31m\"" }, /* CSI in one character */
	{ "\xff\xfe|", "\"\\ufffd\\ufffd|\"" },
	{ "\xc0\xaf|\xe0\x80\xaf", /* longer than need be */
		"\"\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd\"" },
	{ "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
	{ "\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
	{ "cut \xe2\x82", "\"cut \\ufffd\\ufffd\"" },
};

static void any_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		CLEANUP(freep)
		char *plain = xasprintf("%s\n", texts[i].quoted);
		CLEANUP(freep)
		char *json = xasprintf("%s}\n", texts[i].quoted);

		assert_line(LOG_LOGFMT, texts[i].msg, plain);
		assert_line(LOG_JSON, texts[i].msg, json);
	}
}

/* Or lines of several processes would mix in a pipe. */
static void long_text(void **state)
{
	CLEANUP(freep) char *line = NULL;
	char msg[5000];
	struct capture c;

	(void)state;
	memset(msg, '\033', sizeof(msg) - 1);
	msg[sizeof(msg) - 1] = '\0';
	capture_pipe(&c);
	log_setup(LOG_INFO, LOG_JSON, "test");
	log_info(NULL, "test.said", "%s", msg);
	line = capture_read(&c);
	capture_end(&c);
	assert_true(strlen(line) <= PIPE_BUF);
	assert_true(strlen(line) > PIPE_BUF - 64);
	assert_string_equal(line + strlen(line) - 6, "...\"}\n");
}

/* Fills what stands before the reader, and more; would hang if it waited. */
static void fill(void)
{
	char msg[1000];

	memset(msg, 'x', sizeof(msg) - 1);
	msg[sizeof(msg) - 1] = '\0';
	for (int i = 0; i < 1000; i++)
		log_info(NULL, "test.filled", "%s", msg);
}

static void assert_whole_lines(const char *text)
{
	struct slice rest = slice_str(text);

	assert_true(rest.len && text[rest.len - 1] == '\n');
	while (rest.len)
		assert_true(slice_starts_with(
			slice_cut(&rest, '\n'), SLICE("time=")));
}

static void assert_waits_for_nobody(struct capture *c)
{
	CLEANUP(freep) char *before = NULL;
	CLEANUP(freep) char *after = NULL;

	fill();
	before = capture_read(c);
	log_info(NULL, "test.after", "here again");
	after = capture_read(c);
	capture_end(c);
	assert_whole_lines(before);
	assert_whole_lines(after);
	assert_non_null(strstr(after, "event=log.lost"));
	assert_non_null(strstr(after, "nobody read the log in time"));
	assert_non_null(strstr(after, "here again"));
}

static void full_pipe(void **state)
{
	struct capture c;

	(void)state;
	capture_pipe(&c);
	assert_waits_for_nobody(&c);
}

static void full_socket(void **state)
{
	struct capture c;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	capture_begin(&c, fds[0], fds[1]);
	assert_waits_for_nobody(&c);
}

/* The descriptor we were given stays as it was for others. */
static void given_descriptor(void **state)
{
	struct capture c;
	int flags;

	(void)state;
	capture_pipe(&c);
	flags = fcntl(STDERR_FILENO, F_GETFL);
	capture_end(&c);
	assert_false(flags & O_NONBLOCK);
}

static void nobody_reads(void **state)
{
	struct capture c;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	capture_begin(&c, fds[0], fds[1]);
	close(c.reader);
	signal(SIGPIPE, SIG_IGN);
	fill();
	c.reader = open("/dev/null", O_RDONLY);
	capture_end(&c);
}

/* The kernel hands a terminal's keys and lines on when it gets to it. */
static bool comes_out(struct capture *c, const char *text)
{
	CLEANUP(buf_deinit) struct buf all = { 0 };
	struct pollfd p = { .fd = c->reader, .events = POLLIN };

	for (int i = 0; i < 1000; i++) {
		CLEANUP(freep) char *piece = NULL;

		log_info(NULL, "test.after", "%s", text);
		poll(&p, 1, 10);
		piece = capture_read(c);
		buf_append_str(&all, piece);
		if (all.len && memmem(all.data, all.len, text, strlen(text)))
			return true;
	}
	return false;
}

/* A terminal whose user has pressed Ctrl-S. */
static void stopped_terminal(void **state)
{
	struct capture c;
	bool is_out;
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	int slave;

	(void)state;
	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	capture_begin(&c, master, slave);
	assert_int_equal(write(master, "\023", 1), 1);
	fill();
	free(capture_read(&c));
	assert_int_equal(write(master, "\021", 1), 1);
	is_out = comes_out(&c, "here again");
	capture_end(&c);
	assert_true(is_out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_text),
		cmocka_unit_test(long_text),
		cmocka_unit_test(full_pipe),
		cmocka_unit_test(full_socket),
		cmocka_unit_test(given_descriptor),
		cmocka_unit_test(nobody_reads),
		cmocka_unit_test(stopped_terminal),
	};

	log_setup(LOG_INFO, LOG_LOGFMT, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
