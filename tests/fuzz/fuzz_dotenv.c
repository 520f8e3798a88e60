/* src/config/dotenv.c, expand.c: any bytes as a .env file. */
#include <stdlib.h>

#include "config/config_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const environment[] = { "HOME=/root",
		"EMPTY=", NULL };
	CLEANUP(buf_deinit) struct buf problems = { 0 };
	CLEANUP(buf_deinit) struct buf warnings = { 0 };
	CLEANUP(env_deinit) struct env env;
	CLEANUP(freep) char *copy = xmemdup(data, len);
	int r;

	env_init(&env, (char *const *)environment);
	r = dotenv_read(
		slice_of(copy, len), ".env", &env, &problems, &warnings);
	check((r < 0) == (problems.len != 0));
	return 0;
}
