/* Any bytes as what a role's secret may be: a verifier, which reads the same
 * once written, an md5 secret, or a password. */
#include "wire/crypto/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct slice input = slice_of(copy, len);
	struct scram_verifier v, again;

	scram_password_ok(input);
	if (md5_secret_is(input)) {
		check(len == MD5_SECRET_LEN && !memcmp(copy, "md5", 3));
		check(scram_verifier_parse(input, &v) < 0);
	}
	if (scram_verifier_parse(input, &v) < 0)
		return 0;
	scram_verifier_format(&v, &text);
	check(scram_verifier_parse(buf_slice(&text), &again) == 0);
	check(scram_salt_equal(&v.salt, &again.salt));
	check(!memcmp(v.stored_key, again.stored_key, SCRAM_KEY_LEN));
	check(!memcmp(v.server_key, again.server_key, SCRAM_KEY_LEN));
	return 0;
}
