# Writes a C file with the text of an SQL file; run at build time:
#   cmake -DOUT=risks_sql.c -DFILE=risks.sql -DNAME=risks_sql -P embed.cmake
file(READ ${FILE} hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "((0x..,){12})" "\\1\n" bytes "${bytes}")
get_filename_component(from ${FILE} NAME)
file(WRITE ${OUT}
	"/* Made of proto/${from} by src/pool/embed.cmake. */\n"
	"#include \"pool/pool_priv.h\"\n\n"
	"const char ${NAME}[] = {\n${bytes}0x00\n};\n")
