// Rows of JSON values as a table for people, or as CSV.
//
//   Table table({"id", "status"}, std::cout);
//   table.Add({Json::String("o-1"), Json::String("running")});
//   table.Finish();
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "base/json.h"

namespace skald::tools {

// Columns are as wide as what the first rows need.
class Table {
 public:
  Table(std::vector<std::string> columns, std::ostream& out);

  void Add(const std::vector<Json>& values);
  // Writes what was held back. Once, last.
  void Finish();

 private:
  void WriteHeld();
  void Write(const std::vector<std::string>& cells);

  std::ostream& out_;
  std::vector<std::string> columns_;
  std::vector<size_t> widths_;
  std::vector<bool> right_;  // only numbers so far
  std::vector<std::vector<std::string>> held_;
  bool is_held_ = true;
};

// A value in a cell: texts as they are, on one line, null as "-".
std::string CellText(const Json& value);

// A line of RFC 4180, without its end: null is empty, what is no text is JSON.
std::string CsvLine(const std::vector<Json>& values);

}  // namespace skald::tools
