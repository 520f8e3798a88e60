# llhttp: from libllhttp-dev where the distribution has it (Debian 13), else
# from node-llhttp, which ships the generated C sources (Debian 12). Strict
# mode is a compile-time choice, so the sources are compiled here.
find_path(llhttp_INCLUDE_DIR llhttp.h PATHS /usr/share/include/llhttp)
find_library(llhttp_LIBRARY llhttp)

if(llhttp_INCLUDE_DIR AND llhttp_LIBRARY)
	add_library(dep_llhttp INTERFACE)
	target_include_directories(dep_llhttp SYSTEM INTERFACE
		${llhttp_INCLUDE_DIR})
	target_link_libraries(dep_llhttp INTERFACE ${llhttp_LIBRARY})
else()
	find_path(llhttp_SOURCE_DIR llhttp.c PATHS /usr/share/llhttp
		${CMAKE_SOURCE_DIR}/build/deps/usr/share/llhttp NO_DEFAULT_PATH)
	find_path(llhttp_SOURCE_INCLUDE_DIR llhttp.h
		PATHS /usr/share/include/llhttp
		${CMAKE_SOURCE_DIR}/build/deps/usr/share/include/llhttp
		NO_DEFAULT_PATH)
	if(NOT llhttp_SOURCE_DIR OR NOT llhttp_SOURCE_INCLUDE_DIR)
		message(FATAL_ERROR "llhttp is missing: apt-get install "
			"node-llhttp (or run deps/install.sh)")
	endif()
	add_library(dep_llhttp STATIC
		${llhttp_SOURCE_DIR}/api.c
		${llhttp_SOURCE_DIR}/http.c
		${llhttp_SOURCE_DIR}/llhttp.c)
	target_include_directories(dep_llhttp SYSTEM PUBLIC
		${llhttp_SOURCE_INCLUDE_DIR})
	target_compile_definitions(dep_llhttp PUBLIC LLHTTP_STRICT_MODE=1)
	target_compile_options(dep_llhttp PRIVATE -w)
endif()
add_library(dep::llhttp ALIAS dep_llhttp)
