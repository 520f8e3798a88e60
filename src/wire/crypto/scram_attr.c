/*
 * Reading SCRAM messages: attributes in a fixed order, extensions behind
 * them. Texts and details are PostgreSQL's, letter by letter.
 */
#include "wire/crypto/crypto_priv.h"

#include <errno.h>
#include <stdio.h>

int scram_malformed(struct fault *f, const char *detail)
{
	fault_set(f, FAULT_PROTOCOL, "malformed SCRAM message");
	fault_detail(f, "%s", detail);
	return -EPROTO;
}

int scram_message_check(struct slice message, struct fault *f)
{
	if (!message.len)
		return scram_malformed(f, "The message is empty.");
	if (message.len > SCRAM_MESSAGE_MAX)
		return scram_malformed(f, "The message is too long.");
	if (slice_find(message, '\0') < message.len)
		return scram_malformed(
			f, "Message length does not match input length.");
	return 0;
}

struct scram_shown scram_show(char c)
{
	struct scram_shown shown;

	if (c > 0x20 && c < 0x7f)
		snprintf(shown.text, sizeof(shown.text), "'%c'", c);
	else
		snprintf(shown.text, sizeof(shown.text), "0x%02x", (uint8_t)c);
	return shown;
}

char scram_peek(const struct scram_reader *r)
{
	return r->rest.len ? r->rest.data[0] : '\0';
}

/* "=value" and the comma behind it. */
static int read_value(struct scram_reader *r, char name,
	struct slice *ret_value, struct fault *f)
{
	r->rest = slice_from(r->rest, 1);
	if (scram_peek(r) != '=') {
		fault_set(f, FAULT_PROTOCOL, "malformed SCRAM message");
		fault_detail(f,
			"Expected character \"=\" for attribute \"%c\".", name);
		return -EPROTO;
	}
	r->rest = slice_from(r->rest, 1);
	*ret_value = slice_cut(&r->rest, ',');
	return 0;
}

int scram_read(struct scram_reader *r, char name, struct slice *ret_value,
	struct fault *f)
{
	char next = scram_peek(r);

	if (next == name)
		return read_value(r, name, ret_value, f);
	fault_set(f, FAULT_PROTOCOL, "malformed SCRAM message");
	fault_detail(f, "Expected attribute \"%c\" but found \"%s\".", name,
		scram_show(next).text);
	return -EPROTO;
}

int scram_read_any(struct scram_reader *r, char *ret_name,
	struct slice *ret_value, struct fault *f)
{
	char name = scram_peek(r);
	char letter = (char)(name | 0x20);

	if (!r->rest.len)
		return scram_malformed(
			f, "Attribute expected, but found end of string.");
	if (letter < 'a' || letter > 'z') {
		fault_set(f, FAULT_PROTOCOL, "malformed SCRAM message");
		fault_detail(f,
			"Attribute expected, but found invalid character \"%s\".",
			scram_show(name).text);
		return -EPROTO;
	}
	*ret_name = name;
	return read_value(r, name, ret_value, f);
}

bool scram_is_printable(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (c < 0x21 || c > 0x7e || c == ',')
			return false;
	}
	return true;
}
