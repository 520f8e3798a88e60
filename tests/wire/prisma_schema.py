"""proto/schema.prisma, read independently of Howdah: the model, the catalogue
it stands for, and the two migrations Prisma made of it. Their SHA-256 sums
are the ones Prisma recorded, which proves that the file is the truth."""
import hashlib
import pathlib
import re

PATH = pathlib.Path(__file__).parents[2] / "proto" / "schema.prisma"
MIGRATIONS = {
    "20250103173917_init_data_layer":
        "38ac3578a9e64c9a195704627e6d25b3f62ac5dbddd130b0fb21a2116823b31c",
    "20250108095538_add_tags_to_thread":
        "b7de4e5da56422ebc9cf682fe6941b97374dafee78d23d4f3524a72444a72707",
}
SECOND_MIGRATION = {("Thread", "tags")}
# Prisma's type: in DDL, in the catalogue
TYPES = {
    "String": ("TEXT", "text"),
    "Json": ("JSONB", "jsonb"),
    "Int": ("INTEGER", "integer"),
    "Float": ("DOUBLE PRECISION", "double precision"),
    "Boolean": ("BOOLEAN", "boolean"),
    "DateTime": ("TIMESTAMP(3)", "timestamp(3) without time zone"),
}
ACTIONS = {"Cascade": "CASCADE", "SetNull": "SET NULL"}


class Column:
    def __init__(self, line, enums):
        name, kind, rest = re.match(r"(\w+)\s+(\S+)\s*(.*)", line).groups()
        self.name = name
        self.is_list = kind.endswith("[]")
        self.is_null = kind.endswith("?") or self.is_list
        base = kind.rstrip("?[]")
        self.is_unique = "@unique" in rest
        self.is_id = "@id" in rest
        default = re.search(r"@default\((.*?)\)(?=\s*(@|$))", rest)
        self.default = default and default.group(1)
        if base in enums:
            self.ddl = self.catalogue = f'"{base}"'
        else:
            self.ddl, self.catalogue = TYPES[base]
        if self.is_list:
            self.ddl += "[]"
            self.catalogue += "[]"

    def default_ddl(self):
        if self.default is None:
            return None
        generated = re.match(r'dbgenerated\("(.*)"\)', self.default)
        if generated:
            return generated.group(1)
        if self.default == "now()":
            return "CURRENT_TIMESTAMP"
        if self.default == "[]":
            return f"ARRAY[]::{self.ddl}"
        return self.default.replace('"', "'")

    def default_catalogue(self):
        """As pg_get_expr() writes it."""
        ddl = self.default_ddl()
        if ddl and ddl.startswith("'"):
            return f"{ddl}::{self.catalogue}"
        return ddl and ddl.replace("TEXT[]", "text[]")


class Model:
    def __init__(self, name, lines, enums, models):
        self.name = name
        self.columns, self.keys, self.indexes = [], [], []
        for line in lines:
            if line.startswith("@@index"):
                columns = re.search(r"\[(.*)\]", line).group(1)
                self.indexes.append(tuple(columns.split(", ")))
            elif "fields:" in line:
                self._add_key(line)
            elif line.split()[1].rstrip("?[]") not in models:
                self.columns.append(Column(line, enums))

    def _add_key(self, line):
        target = line.split()[1].rstrip("?")
        column = re.search(r"fields: \[(\w+)\]", line).group(1)
        action = re.search(r"onDelete: (\w+)", line)
        # Prisma's default for an optional relation
        action = action.group(1) if action else "SetNull"
        self.keys.append((column, target, ACTIONS[action]))

    def all_indexes(self):
        """(name, columns, is unique), in Prisma's order."""
        plain = [("_".join((self.name, *columns, "idx")), columns, False)
                 for columns in self.indexes]
        unique = [(f"{self.name}_{c.name}_key", (c.name,), True)
                  for c in self.columns if c.is_unique]
        return plain + unique


class Schema:
    def __init__(self, text):
        text = re.sub(r"//.*", "", text)
        blocks = re.findall(r"(enum|model)\s+(\w+)\s*{(.*?)\n}", text, re.S)
        lines = {name: [line.strip() for line in body.splitlines()
                        if line.strip()] for _, name, body in blocks}
        self.enums = {name: lines[name] for kind, name, _ in blocks
                      if kind == "enum"}
        names = [name for kind, name, _ in blocks if kind == "model"]
        self.models = [Model(name, lines[name], self.enums, names)
                       for name in names]

    def migrations(self):
        """The SQL of Prisma's migrations, by name."""
        return dict(zip(MIGRATIONS, (self._first(), self._second())))

    def _first(self):
        parts = ['-- CreateExtension\n'
                 'CREATE EXTENSION IF NOT EXISTS "pgcrypto";\n']
        for name, labels in self.enums.items():
            shown = ", ".join(f"'{label}'" for label in labels)
            parts.append(f'-- CreateEnum\nCREATE TYPE "{name}" AS ENUM '
                         f'({shown});\n')
        parts += [self._table(m) for m in self.models]
        for m in self.models:
            parts += [self._index(m, *index) for index in m.all_indexes()]
        for m in self.models:
            parts += [self._key(m, *key) for key in m.keys]
        return "\n".join(parts)

    def _table(self, model):
        lines = [f'    "{c.name}" {self._definition(c)},\n'
                 for c in model.columns
                 if (model.name, c.name) not in SECOND_MIGRATION]
        return (f'-- CreateTable\nCREATE TABLE "{model.name}" (\n'
                + "".join(lines) + f'\n    CONSTRAINT "{model.name}_pkey" '
                'PRIMARY KEY ("id")\n);\n')

    @staticmethod
    def _definition(column):
        default = column.default_ddl()
        return (column.ddl + ("" if column.is_null else " NOT NULL")
                + (f" DEFAULT {default}" if default else ""))

    @staticmethod
    def _index(model, name, columns, is_unique):
        shown = ", ".join(f'"{c}"' for c in columns)
        return (f'-- CreateIndex\nCREATE {"UNIQUE " if is_unique else ""}'
                f'INDEX "{name}" ON "{model.name}"({shown});\n')

    @staticmethod
    def _key(model, column, target, action):
        return (f'-- AddForeignKey\nALTER TABLE "{model.name}" ADD CONSTRAINT '
                f'"{model.name}_{column}_fkey" FOREIGN KEY ("{column}") '
                f'REFERENCES "{target}"("id") ON DELETE {action} '
                'ON UPDATE CASCADE;\n')

    def _second(self):
        (table, name), = SECOND_MIGRATION
        model, = [m for m in self.models if m.name == table]
        column, = [c for c in model.columns if c.name == name]
        return (f'-- AlterTable\nALTER TABLE "{table}" ADD COLUMN     '
                f'"{name}" {self._definition(column)};\n')

    # what a database with this schema says of itself

    def catalogue_columns(self):
        return [(m.name, c.name, c.catalogue, not c.is_null,
                 c.default_catalogue() or "")
                for m in sorted(self.models, key=lambda m: m.name)
                for c in m.columns]

    def catalogue_indexes(self):
        found = [(m.name, name, ",".join(columns), is_unique)
                 for m in self.models
                 for name, columns, is_unique in m.all_indexes()]
        found += [(m.name, f"{m.name}_pkey", "id", True)
                  for m in self.models]
        return sorted(found)

    def catalogue_keys(self):
        return sorted((m.name, f"{m.name}_{column}_fkey", column, target,
                       action, "CASCADE")
                      for m in self.models
                      for column, target, action in m.keys)


def load():
    return Schema(PATH.read_text("utf-8"))


def checksum(sql):
    return hashlib.sha256(sql.encode()).hexdigest()
