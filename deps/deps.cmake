# Finds every foreign library, and says plainly which Debian package is
# missing. Nothing is downloaded and nothing is vendored here; deps/install.sh
# installs the packages by name.
find_package(PkgConfig)
if(NOT PKG_CONFIG_FOUND)
	message(FATAL_ERROR "pkg-config is missing: apt-get install pkg-config")
endif()

# howdah_dep(<target> <pkg-config module> <Debian package>)
function(howdah_dep target module package)
	pkg_check_modules(${target} IMPORTED_TARGET GLOBAL ${module})
	if(NOT ${target}_FOUND)
		message(FATAL_ERROR "${module} is missing: "
			"apt-get install ${package} (or run deps/install.sh)")
	endif()
	add_library(dep::${target} ALIAS PkgConfig::${target})
endfunction()

howdah_dep(uv libuv libuv1-dev)
howdah_dep(pq libpq libpq-dev)
howdah_dep(curl libcurl libcurl4-openssl-dev)
howdah_dep(ssl libssl libssl-dev)
howdah_dep(crypto libcrypto libssl-dev)
howdah_dep(jsonc json-c libjson-c-dev)

# These two ship no pkg-config module (msgpack: one under changing names).
# <libraries> are the names one library goes by.
function(howdah_dep_library target header libraries package)
	find_path(${target}_INCLUDE_DIR ${header})
	find_library(${target}_LIBRARY NAMES ${libraries})
	if(NOT ${target}_INCLUDE_DIR OR NOT ${target}_LIBRARY)
		message(FATAL_ERROR "${header} or its library is missing: "
			"apt-get install ${package} (or run deps/install.sh)")
	endif()
	add_library(dep_${target} INTERFACE)
	target_include_directories(dep_${target} SYSTEM INTERFACE
		${${target}_INCLUDE_DIR})
	target_link_libraries(dep_${target} INTERFACE ${${target}_LIBRARY})
	add_library(dep::${target} ALIAS dep_${target})
endfunction()

howdah_dep_library(msgpack msgpack.h "msgpackc;msgpack-c" libmsgpack-dev)
howdah_dep_library(pgquery pg_query.h pg_query libpg-query-dev)

include(deps/llhttp.cmake)
