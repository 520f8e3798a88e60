/* The server's side of SCRAM: mechanism, client-first and client-final, a
 * line each. Whoever gets in has the keys of the verifier. */
#include "wire/crypto/crypto.h"

/* RFC 7677's user; the nonce is fixed, so that a seed can know the answer. */
#define SECRET                                                                 \
	"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"                         \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"                        \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define NONCE	SLICE("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
#define BINDING SLICE("0123456789abcdef0123456789abcdef")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void log_in(struct scram_server *s, const struct scram_verifier *v,
	struct slice input)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct scram_keys keys;
	struct fault f;

	if (scram_server_select(s, slice_cut(&input, '\n'), &f) < 0)
		return;
	if (scram_server_first(s, slice_cut(&input, '\n'), NONCE, &out, &f)) {
		check(!out.len);
		return;
	}
	out.len = 0;
	if (scram_server_final(s, input, &out, &keys, &f)) {
		check(!out.len);
		return;
	}
	check(v && scram_verifier_match(v, &keys));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);
	struct slice input = slice_of(copy, len);
	struct scram_verifier v;

	check(scram_verifier_parse(SLICE(SECRET), &v) == 0);
	for (int i = 0; i < 4; i++) {
		const struct scram_verifier *known = i & 1 ? &v : NULL;
		struct scram_server s;

		scram_server_init(&s, known, &v.salt,
			i & 2 ? BINDING : (struct slice){ 0 });
		log_in(&s, known, input);
		scram_server_deinit(&s);
	}
	return 0;
}
