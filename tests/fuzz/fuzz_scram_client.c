/* The client's side of SCRAM: the server's offer, server-first and
 * server-final, a line each. */
#include "wire/crypto/crypto.h"

#define NONCE	SLICE("fyko+d2lbbFgONRv9qkxdawL")
#define BINDING SLICE("0123456789abcdef0123456789abcdef")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void log_in(struct scram_client *c, struct slice input)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct scram_keys keys = { 0 };
	const char *mechanism;
	struct fault f;

	if (scram_client_first(c, slice_cut(&input, '\n'), NONCE, &mechanism,
		    &out, &f) < 0)
		return;
	if (scram_client_challenge(c, slice_cut(&input, '\n'), &f) < 0)
		return;
	check(c->salt.iterations >= 1 &&
		c->salt.iterations <= SCRAM_ITERATIONS_MAX);
	check(c->salt.len >= 1 && c->salt.len <= SCRAM_SALT_MAX);
	out.len = 0;
	scram_client_prove(c, &keys, &out);
	check(out.len <= 2 * SCRAM_MESSAGE_MAX);
	if (scram_client_verify(c, input, &f) == 0)
		check(c->state == SCRAM_CLIENT_DONE);
	else
		check(c->state == SCRAM_CLIENT_PROVED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);

	for (int i = 0; i < 2; i++) {
		struct scram_client c;

		scram_client_init(&c, i ? BINDING : (struct slice){ 0 });
		log_in(&c, slice_of(copy, len));
		scram_client_deinit(&c);
	}
	return 0;
}
