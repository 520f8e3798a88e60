#include "session/session_priv.h"

void console_begin(struct session *s)
{
	(void)s;
}

size_t console_input(struct session *s, struct slice bytes)
{
	(void)s;
	return bytes.len;
}

void console_end(struct session *s)
{
	(void)s;
}

void console_control(struct door *door, unsigned from_worker, uint8_t kind,
	struct slice payload)
{
	(void)door;
	(void)from_worker;
	(void)kind;
	(void)payload;
}
