/* src/config/endpoint.c: any bytes as a list of listeners. */
#include <stdlib.h>

#include "config/config_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(endpoints_deinit) struct endpoints list = { 0 };
	CLEANUP(freep) char *text = xmemdup(data, len);
	struct fault f;
	int r = endpoints_parse(slice_of(text, len), "/data", &list, &f);

	for (size_t i = 0; i < list.n; i++)
		check(r == 0 && (list.at[i].port || *list.at[i].path));
	return 0;
}
