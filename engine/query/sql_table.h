// A read model as a virtual table of SQLite: it chooses a plan for what a statement asks (equality,
// ranges and order where the key or an index has them) and goes through it. Private to sql*.cc.
#pragma once

#include <string>

#include <sqlite3.h>

#include "engine/projection/model.h"
#include "engine/query/sql_rules.h"
#include "engine/query/sql_session.h"

namespace skald::query {

// What SQLite knows of a model. Must outlive the connection.
struct SqlModel {
  SqlSession& session;
  SqlRules& rules;
  // As the reader knows it, and with times as the texts that they are to SQL.
  projection::ModelSchema schema;
  projection::ModelSchema sql_schema;
};

// Times become texts.
projection::ModelSchema ToSqlSchema(projection::ModelSchema schema);

// The type that a column is declared with; read back from a result's column.
const char* SqlTypeOf(projection::ColumnType type);

// Makes the model a table of that name. SQLITE_OK, or SQLite's code.
int AddSqlTable(sqlite3* connection, const std::string& name, SqlModel& model);

}  // namespace skald::query
