/* The users file: PgBouncer's userlist format, see auth.h. */
#include "auth/auth_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- parsing ---------------------------------------------------------- */

struct parser {
	struct slice rest;
	size_t line;
};

/* What the quotes held, without the doubling. */
struct field {
	size_t len;
	char bytes[AUTH_SECRET_MAX];
};

int userlist_complain(struct fault *f, size_t line, const char *what)
{
	fault_set(f, FAULT_BAD_VALUE, "line %zu: %s", line, what);
	return -EINVAL;
}

static void skip_blanks(struct slice *s)
{
	while (s->len && (s->data[0] == ' ' || s->data[0] == '\t'))
		*s = slice_from(*s, 1);
}

/* Takes "..." off *s; what is wrong with it, or NULL. */
static const char *take_quoted(struct slice *s, size_t max, struct field *ret)
{
	struct slice at = *s;

	ret->len = 0;
	if (!at.len || at.data[0] != '"')
		return "expected \"user\" \"secret\", both in double quotes";
	at = slice_from(at, 1);
	for (; at.len; at = slice_from(at, 1)) {
		bool is_quote = at.data[0] == '"';

		if (is_quote && (at.len == 1 || at.data[1] != '"')) {
			*s = slice_from(at, 1);
			return NULL;
		}
		if (is_quote)
			at = slice_from(at, 1);
		if (!at.data[0])
			return "a NUL byte inside quotes";
		if (ret->len == max)
			return max == AUTH_USER_MAX
				       ? "the user's name is longer than 63 bytes"
				       : "the secret is longer than 2048 bytes";
		ret->bytes[ret->len++] = at.data[0];
	}
	return "a double quote is not closed on its line";
}

static int parse_line(struct slice text, size_t line, userlist_row_fn *on_row,
	void *owner, struct fault *f)
{
	struct userlist_row row = { .line = line };
	struct field user, secret;
	const char *wrong;
	int r;

	wrong = take_quoted(&text, AUTH_USER_MAX, &user);
	if (!wrong && !user.len)
		wrong = "the user's name is empty";
	if (!wrong) {
		skip_blanks(&text);
		wrong = take_quoted(&text, AUTH_SECRET_MAX, &secret);
	}
	if (wrong)
		return userlist_complain(f, line, wrong);
	row.user = slice_of(user.bytes, user.len);
	row.secret = slice_of(secret.bytes, secret.len);
	r = on_row(owner, &row, f);
	explicit_bzero(secret.bytes, secret.len);
	return r;
}

int userlist_parse(struct slice text, userlist_row_fn *on_row, void *owner,
	struct fault *f)
{
	size_t line = 0;
	int r;

	while (text.len) {
		struct slice row = slice_trim(slice_cut(&text, '\n'));

		line++;
		if (!row.len || row.data[0] == ';' || row.data[0] == '#')
			continue;
		r = parse_line(row, line, on_row, owner, f);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- reading ---------------------------------------------------------- */

/* The whole file in memory, for the caller to wipe. */
struct content {
	char *data;
	size_t len;
};

static void content_deinit(struct content *c)
{
	if (c->data)
		explicit_bzero(c->data, c->len);
	free(c->data);
}

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* len bytes, or fewer when the file has shrunk since. */
static int read_all(int fd, struct content *c, size_t len)
{
	c->data = try_alloc(len ? len : 1);
	if (!c->data)
		return -ENOMEM;
	while (c->len < len) {
		ssize_t n = read(fd, c->data + c->len, len - c->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		c->len += (size_t)n;
	}
	return 0;
}

static int read_file(const char *path, struct content *c)
{
	CLEANUP(fd_close)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > AUTH_FILE_MAX)
		return -EFBIG;
	if (st.st_mode & S_IROTH)
		log_warn(NULL, "auth.file_open",
			"%s holds secrets and everybody can read it", path);
	return read_all(fd, c, (size_t)st.st_size);
}

int userlist_load(
	const char *path, userlist_row_fn *on_row, void *owner, struct fault *f)
{
	CLEANUP(content_deinit) struct content c = { 0 };
	struct fault inner;
	int r = read_file(path, &c);

	if (r < 0) {
		fault_set(f, FAULT_BAD_VALUE, "cannot read %s: %s", path,
			r == -EINVAL ? "not a regular file" : strerror(-r));
		return r;
	}
	r = userlist_parse(slice_of(c.data, c.len), on_row, owner, &inner);
	if (r < 0)
		fault_set(f, FAULT_BAD_VALUE, "%s, %s", path, inner.text);
	return r;
}
