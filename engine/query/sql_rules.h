// What a statement may do: read models and call known functions. Private to sql*.cc.
#pragma once

#include <set>
#include <string>

#include <sqlite3.h>

#include "absl/strings/string_view.h"

namespace skald::query {

// Must outlive the connection.
struct SqlRules {
  std::set<std::string> tables;  // that can be read, in lower case
  bool is_declaring = false;     // what is asked now is no part of a statement
  std::string refusal;           // what was refused last, as a sentence
};

// Bounds, rules and functions of a connection that has its tables already.
void ApplySqlRules(sqlite3* connection, SqlRules& rules);

}  // namespace skald::query
