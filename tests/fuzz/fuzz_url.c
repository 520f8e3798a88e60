/* src/config/url.c, conninfo.c, demands.c: any bytes as a connection URL.
 * What is taken reads the same once more. */
#include <stdlib.h>

#include "config/config_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(upstream_deinit) struct upstream u = { 0 };
	CLEANUP(upstream_deinit) struct upstream copy = { 0 };
	CLEANUP(freep) char *text = xmemdup(data, len);
	struct fault f;

	if (upstream_parse(slice_of(text, len), &u, &f) < 0) {
		check(f.text[0]);
		return 0;
	}
	check(u.n_hosts > 0);
	if (demands_check(&u, &f) < 0)
		check(f.text[0]);
	upstream_copy(&u, &copy);
	check(copy.auth == u.auth);
	for (size_t i = 0; i < u.n_hosts; i++) {
		check(u.hosts[i].port != 0);
		check(*u.hosts[i].host || *u.hosts[i].hostaddr);
		check(!strcmp(copy.hosts[i].host, u.hosts[i].host));
	}
	return 0;
}
