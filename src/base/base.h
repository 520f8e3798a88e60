#pragma once

/* The public header of base/: memory, text, lists, log, faults. */
#include "base/buf.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/reader.h"
#include "base/slice.h"
#include "base/table.h"
#include "base/utf8.h"
