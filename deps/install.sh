#!/bin/sh
# Installs from Debian, by package name, what is missing, and says what each
# package is for. When nothing is missing it touches nothing and no network.
# Works as root, or through sudo. Debian 12 and later.
#
# usage: deps/install.sh build | run | test     each takes in those before it
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
extracted=$root/build/deps
node_home=$root/build/node

# group, package, what for. Of packages with | between them one is enough;
# the first one the distribution has is taken. PG and CLANG stand for the
# versions of PostgreSQL and clang.
packages() {
	cat <<'ROWS'
build make                    runs the Makefile
build cmake                   configures the build
build ninja-build             runs the build
build pkg-config|pkgconf      finds the libraries
build gcc                     compiles
build libc6-dev               the C library's headers
build libuv1-dev              event loop
build libpq-dev               Howdah's own statements
build libcurl4-openssl-dev    object storage
build libssl-dev              TLS and cryptography
build libmsgpack-c-dev|libmsgpack-dev  MessagePack
build libjson-c-dev           reading JSON
build libpg-query-dev         PostgreSQL's parser
build zlib1g-dev              compression
build libllhttp-dev|node-llhttp  HTTP parser
run   postgresql-PG           the embedded PostgreSQL
test  postgresql-server-dev-PG  pg_regress, PostgreSQL's regression suite
test  bzip2                   unpacks that suite's files
test  libcmocka-dev           unit tests
test  clang                   second compiler, fuzzing
test  libclang-rt-CLANG-dev   its sanitizers and libFuzzer
test  clang-format            checks the layout
test  git                     lists the files the lints look at
test  openssl                 certificates for the tests
test  pgbouncer               compared with; a pooler to refuse
test  docker-compose          reads .env files for comparison
test  python3                 runs the tests
test  python3-pytest          runs the tests
test  python3-psycopg         a client
test  python3-psycopg2        a client
test  python3-asyncpg         a client, Chainlit's
test  python3-yaml            reads compose files
ROWS
	# Another vendor's node conflicts with Debian's packages, but has npm.
	command -v npm >/dev/null || cat <<'ROWS'
test  nodejs                  runs node-postgres
test  node-pg                 a client, node-postgres
ROWS
}

say() { echo "install: $*"; }
die() { echo "install: $*" >&2; exit 1; }

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# The version behind a package that always stands for the newest one.
newest() {
	apt-cache depends "$1" 2>/dev/null |
		sed -n "s/.*Depends: $1-\([0-9]*\)\$/\1/p" | head -n 1
}

installed_postgresql() {
	for server in /usr/lib/postgresql/*/bin/postgres; do
		[ -x "$server" ] && basename "${server%/bin/postgres}"
	done | sort -n | tail -n 1
}

installed_clang() {
	clang -dumpversion 2>/dev/null | sed 's/\..*//'
}

# The wanted packages, one row each, with the versions filled in.
wanted() {
	pg=$(installed_postgresql)
	clang=$(installed_clang)
	packages | while read -r group names purpose; do
		case " $groups " in *" $group "*) ;; *) continue ;; esac
		case $names in
		*PG*) names=$(echo "$names" |
			sed "s/PG/${pg:-$(newest postgresql)}/") ;;
		*CLANG*) names=$(echo "$names" |
			sed "s/CLANG/${clang:-$(newest clang)}/") ;;
		esac
		echo "$names $purpose"
	done
}

has_llhttp() {
	[ -e "$extracted/usr/share/llhttp/llhttp.c" ]
}

# Of those, what is not installed.
missing() {
	have=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' | tr '\n' ' ')"
	wanted | sort -u | while read -r names purpose; do
		is_there=
		for name in $(echo "$names" | tr '|' ' '); do
			case $have in *" installed=$name "*) is_there=yes ;; esac
			[ "$name" = node-llhttp ] && has_llhttp && is_there=yes
		done
		[ -n "$is_there" ] || echo "$names $purpose"
	done
}

# The first of some alternatives that the distribution has, else the last.
available() {
	for name in $(echo "$1" | tr '|' ' '); do
		apt-cache show "$name" >/dev/null 2>&1 && break
	done
	echo "$name"
}

# Keeps Debian's packages from starting servers that nobody asked for: a
# "main" cluster when a PostgreSQL comes in, PgBouncer on Howdah's own port.
# What runs already is left alone, and both files go again.
no_cluster=/etc/postgresql-common/createcluster.d/howdah-install.conf
no_service=/usr/sbin/policy-rc.d
mute() {
	case " $* " in *" postgresql-"[0-9]*)
		say "no cluster is created for the new PostgreSQL"
		as_root mkdir -p "${no_cluster%/*}"
		echo "create_main_cluster = false" |
			as_root tee "$no_cluster" >/dev/null
		undo="$no_cluster" ;;
	esac
	case " $* " in *" pgbouncer "*)
		say "the service pgbouncer is not started"
		[ ! -e "$no_service" ] || return 0
		printf '#!/bin/sh\ncase $1 in pgbouncer*) exit 101 ;; esac\n' |
			as_root tee "$no_service" >/dev/null
		as_root chmod 755 "$no_service"
		undo="$undo $no_service" ;;
	esac
}

unmute() {
	[ -z "$undo" ] || as_root rm -f $undo
	undo=
}

# What is available of each of the rows, by its name.
first_names() {
	for alternatives in $(echo "$rows" | cut -d ' ' -f 1); do
		available "$alternatives"
	done
}

apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -q -y --no-remove --no-install-recommends "$@"
}

# Of node-llhttp we want three C files and a header. Installing it would bring
# a whole nodejs along, or conflict with one of another vendor.
extract_llhttp() {
	mkdir -p "$extracted"
	say "taking llhttp's sources out of the package node-llhttp"
	(cd "$extracted" && apt-get -qq -o APT::Sandbox::User="$(id -un)" \
			download node-llhttp &&
		dpkg-deb -x node-llhttp_*.deb . && rm node-llhttp_*.deb)
}

# llhttp is left out: once apt has its lists, anybody may take it.
die_for_root() {
	rows=$(missing)
	names=$(first_names | grep -v node-llhttp | xargs)
	die "installing needs root, and there is no sudo. As root:" \
		"apt-get update${names:+ && apt-get install \
--no-install-recommends $names}"
}

install_packages() {
	# A new checkout on a machine that has all the rest: no need for root.
	[ "$(missing | cut -d ' ' -f 1)" != "libllhttp-dev|node-llhttp" ] ||
		! extract_llhttp || return 0
	[ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null ||
		die_for_root
	say "packages are missing, asking apt"
	as_root apt-get -q update
	# Names that depend on versions are certain only now.
	rows=$(missing)
	say "installing:"
	echo "$rows" | while read -r names purpose; do
		printf '  %-32s %s\n' "$(available "$names")" "$purpose"
	done
	names=
	for name in $(first_names); do
		case $name in
		node-llhttp) extract_llhttp ;;
		*) names="$names $name" ;;
		esac
	done
	undo=
	trap unmute EXIT
	trap 'exit 130' INT TERM
	mute $names
	[ -z "$names" ] || apt_install $names
	unmute
	case " $names " in *" pgbouncer "*)
		as_root update-rc.d pgbouncer disable >/dev/null 2>&1 || true ;;
	esac
}

case ${1:-} in
build) groups="build" ;;
run) groups="build run" ;;
test) groups="build run test" ;;
*) die "usage: deps/install.sh build | run | test" ;;
esac
command -v apt-get >/dev/null ||
	die "no apt-get here. Howdah needs: $(wanted | cut -d ' ' -f 1 | xargs)"

[ -z "$(missing)" ] || install_packages
if [ "$1" = test ] && [ ! -d /usr/share/nodejs/pg ] &&
	[ ! -d "$node_home/node_modules/pg" ]; then
	say "node-postgres (npm package pg) into build/node"
	npm install --prefix "$node_home" --no-save --no-package-lock \
		--no-audit --no-fund --loglevel=error pg
fi
