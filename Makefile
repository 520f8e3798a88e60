# Thin on purpose: deps/install.sh brings what is missing, CMake builds and
# ctest tests. Everything made lies in build/.

JOBS ?= 2

# A build tree is configured once; ninja notices what changed after that.
configure = { [ -f build/$(1)/build.ninja ] || cmake --preset $(1); }

.PHONY: run build test bench clean

# Howdah on an embedded PostgreSQL. Ctrl-C stops both.
run:
	@deps/install.sh run
	@$(call configure,release) && cmake --build build/release
	@exec build/release/howdah serve

# The release binary, build/release/howdah.
build:
	@deps/install.sh build
	@$(call configure,release) && cmake --build build/release

# gcc with ASan and UBSan, clang with libFuzzer, warnings are errors in both.
test:
	@deps/install.sh test
	@$(call configure,asan) && cmake --build build/asan
	@$(call configure,fuzz) && cmake --build build/fuzz
	@ctest --test-dir build/asan --output-on-failure -j $(JOBS)
	@ctest --test-dir build/fuzz --output-on-failure -j $(JOBS) -L fuzz

# The figures, next to PgBouncer and to PostgreSQL itself (half an hour).
bench:
	@deps/install.sh test
	@$(call configure,release) && cmake --build build/release
	@bench/first_door.py --howdah build/release/howdah

# Keeps what was downloaded.
clean:
	rm -rf build/release build/asan build/fuzz
