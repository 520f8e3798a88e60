#include "base/check.h"

#include <stdlib.h>

#include "base/log.h"

void check_failed(const char *cond, const char *file, int line)
{
	log_error(NULL, "check.failed", "%s at %s:%d", cond, file, line);
	abort();
}
