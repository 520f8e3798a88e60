/* Texts for the admin console: statements are cut off a text without loss
 * and in order, and whatever parses holds what its row asks for. */
#include <stdlib.h>

#include "base/base.h"
#include "session/admin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = xmemdup(data, size); /* guarded at both ends */
	struct slice rest = slice_of(copy, size), statement;
	const char *at = copy;

	while (admin_next(&rest, &statement)) {
		struct admin_command c = { 0 };
		struct fault f = { 0 };

		check(statement.len && statement.data >= at);
		at = statement.data + statement.len;
		check(at <= rest.data);
		if (admin_parse(statement, &c, &f) < 0) {
			check(!c.row && f.text[0]);
			continue;
		}
		check(c.row);
		check(c.row->arguments == ADMIN_SETTING ? c.argument != NULL
							: c.value == NULL);
		admin_command_deinit(&c);
	}
	free(copy);
	return 0;
}
