#!/bin/sh
# Gets what PostgreSQL's own regression suite needs and Debian does not
# install: the test files (from the source package), psql of the same minor
# version and regress.so (compiled against the headers of
# postgresql-server-dev). Everything lands in build/regress/<major>/; nothing
# outside build/ changes, and when it is all there nothing happens.
#
# Only the main suite is asked: the source of the newest security update is
# not always on the mirrors. The test files fit a server of any minor version,
# but not a newer psql: since 15.20 it swallows the lines after a COPY FROM
# STDIN that failed, and with them up to a thousand lines of a test.
#
# usage: tests/regress/prepare.sh [major]     prints the folder
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)

say() { echo "regress: $*" >&2; }
die() { say "$*"; exit 1; }

newest_server() {
	for bin in /usr/lib/postgresql/*/bin/postgres; do
		[ -x "$bin" ] && basename "${bin%/bin/postgres}"
	done | sort -n | tail -n 1
}

major=${1:-$(newest_server)}
[ -n "$major" ] || die "PostgreSQL is missing (run deps/install.sh)"
pg=/usr/lib/postgresql/$major
home=$root/build/regress/$major
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -x "$pg/lib/pgxs/src/test/regress/pg_regress" ] ||
	die "pg_regress is missing: apt-get install postgresql-server-dev-$major"

# The machine's own mirror of the main suite, as apt knows it.
main_suite_lines() {
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	uri=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' \
		'Created-By: Packages' 'Origin: Debian' 'Component: main' |
		awk -v c="$codename" '$1 == c { print $2; exit }')
	[ -n "$uri" ] || die "apt has no lists of Debian's main suite: apt-get update"
	for type in deb deb-src; do
		echo "$type [signed-by=$keyring] $uri $codename main"
	done
}

# apt with lists, cache and sources of its own.
own_apt() {
	apt-get -q -o Dir::Etc::SourceList="$work/sources.list" \
		-o Dir::Etc::SourceParts=- -o Dir::State::Lists="$work/lists" \
		-o Dir::Cache="$work/cache" -o APT::Sandbox::User= "$@"
}

fetch() {
	work=$home.fetch
	rm -rf "$work"
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
	main_suite_lines >"$work/sources.list"
	say "fetching the test files of postgresql-$major (about 45 MB)"
	own_apt update >&2
	(cd "$work" &&
		own_apt source --download-only --only-source \
			"postgresql-$major" >&2 &&
		own_apt download "postgresql-client-$major/$codename" >&2)
	mkdir "$work/source" "$work/client" "$work/home"
	tar -xf "$work"/postgresql-"$major"_*.orig.tar.* -C "$work/source" \
		--strip-components=1 --wildcards '*/src/test/regress'
	dpkg-deb -x "$work"/postgresql-client-*.deb "$work/client"
	mv "$work/source/src/test/regress" "$work/home/input"
	mv "$work/client/usr/lib/postgresql/$major/bin" "$work/home/bin"
	rm -rf "$home"
	mv "$work/home" "$home"
	rm -rf "$work"
}

# regress.so holds the C functions the tests create; two more come from
# contrib/spi, which Debian's server package brings along.
compile() {
	say "compiling regress.so"
	cc -O2 -w -fPIC -shared -I"$("$pg/bin/pg_config" --includedir-server)" \
		-o "$home/regress.so.new" "$home/input/regress.c"
	ln -sf "$pg/lib/refint.so" "$pg/lib/autoinc.so" "$home/"
	mv "$home/regress.so.new" "$home/regress.so"
}

[ -f "$home/input/parallel_schedule" ] || fetch
[ -f "$home/regress.so" ] || compile
echo "$home"
