# Writes a C file with the texts of SQL files; run at build time:
#   cmake -DOUT=sql_files.c -DFILES="a.sql|b.sql" -P embed.cmake
string(REPLACE "|" ";" files "${FILES}")
set(arrays "")
set(rows "")
foreach(file ${files})
	get_filename_component(name ${file} NAME_WE)
	file(READ ${file} hex HEX)
	string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
	string(REGEX REPLACE "((0x..,){12})" "\\1\n" bytes "${bytes}")
	string(APPEND arrays
		"static const char ${name}[] = {\n${bytes}0x00\n};\n\n")
	string(APPEND rows "\t{ \"${name}\", ${name} },\n")
endforeach()
file(WRITE ${OUT}
	"/* Made of proto/sql by src/migrate/embed.cmake. */\n"
	"#include \"migrate/migrate_priv.h\"\n\n"
	"${arrays}const struct sql_file sql_files[] = {\n${rows}};\n"
	"const size_t n_sql_files = ARRAY_SIZE(sql_files);\n")
