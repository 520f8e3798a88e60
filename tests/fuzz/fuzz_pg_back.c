/* src/wire/pg: any bytes as an error, a parameter, the values of a row, and
 * as what a server writes: that reads as it was said. */
#include <stdlib.h>

#include "wire/pg/pg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Each field is inside, and is the first of its name. */
static void read_error(struct slice body)
{
	for (int field = 0; field < 256; field++) {
		struct slice value = pg_error_field(body, (char)field);
		size_t at;

		if (!value.len)
			continue;
		at = (size_t)(value.data - body.data);
		check(field && at >= 1 && at < body.len);
		check(value.len < body.len - at);
		check(body.data[at - 1] == (char)field);
		check(!value.data[value.len]);
		check(slice_find(value, '\0') == value.len);
	}
}

static void read_parameter(struct slice body)
{
	CLEANUP(buf_deinit) struct buf again = { 0 };
	struct slice name, value;

	if (!pg_parameter_read(body, &name, &value))
		return;
	pg_put_parameter(&again, name, value);
	check(slice_equal(slice_from(buf_slice(&again), PG_HEAD), body));
}

static void read_row(struct slice body)
{
	CLEANUP(buf_deinit) struct buf again = { 0 };
	struct reader r = reader_of(body);
	struct slice value;

	while (pg_row_next(&r, &value)) {
		if (value.data)
			pg_put_field(&again, value);
		else
			pg_put_null(&again);
	}
	check(again.len <= body.len);
	check(slice_equal(buf_slice(&again), slice_of(body.data, again.len)));
}

/* The fields of a fault, cut off the input. */
static void write_fault(struct slice input)
{
	CLEANUP(buf_deinit) struct buf message = { 0 };
	struct slice text = slice_cut(&input, '\n');
	struct slice detail = slice_cut(&input, '\n');
	struct fault f = { 0 };
	struct slice body;

	fault_set(&f, FAULT_BAD_VALUE, "%.*s", (int)text.len, text.data);
	fault_detail(
		&f, "%.*s", (int)detail.len, detail.data ? detail.data : "");
	fault_hint(&f, "%.*s", (int)input.len, input.data ? input.data : "");
	pg_put_fault(&message, "ERROR", &f);
	body = slice_from(buf_slice(&message), PG_HEAD);
	check(pg_error_is_good(body) == (f.text[0] != '\0'));
	check(slice_is(pg_error_field(body, 'C'), "22023"));
	check(slice_is(pg_error_field(body, 'M'), f.text));
	check(slice_is(pg_error_field(body, 'D'), f.detail));
	check(slice_is(pg_error_field(body, 'H'), f.hint));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(freep) char *copy = xmemdup(data, len);
	struct slice body = slice_of(copy, len);

	read_error(body);
	if (pg_error_is_good(body))
		check(pg_error_field(body, 'C').len == 5);
	read_parameter(body);
	read_row(body);
	write_fault(body);
	return 0;
}
