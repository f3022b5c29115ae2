#include "tools/skald/table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/utf8.h"
#include "tools/skald/render.h"

namespace skald::tools {

namespace {

// Rows that widths are measured by.
constexpr size_t kHeldRowsMax = 500;
// A cell of more is cut.
constexpr size_t kCellBytesMax = 60;

}  // namespace

Table::Table(std::vector<std::string> columns, std::ostream& out)
    : out_(out), columns_(std::move(columns)), right_(columns_.size(), true) {
  for (const std::string& column : columns_) widths_.push_back(CountCodePoints(column));
}

void Table::Add(const std::vector<Json>& values) {
  std::vector<std::string> cells;
  for (size_t i = 0; i < columns_.size(); ++i) {
    const Json& value = i < values.size() ? values[i] : Json();
    cells.push_back(CellText(value));
    if (!is_held_) continue;
    widths_[i] = std::max(widths_[i], CountCodePoints(cells.back()));
    if (!value.is_number() && !value.is_null()) right_[i] = false;
  }
  if (!is_held_) return Write(cells);
  held_.push_back(std::move(cells));
  if (held_.size() == kHeldRowsMax) WriteHeld();
}

void Table::Finish() {
  if (is_held_) WriteHeld();
  out_ << std::flush;
}

void Table::WriteHeld() {
  is_held_ = false;
  Write(columns_);
  std::vector<std::string> rule;
  for (const size_t width : widths_) rule.emplace_back(width, '-');
  Write(rule);
  for (const std::vector<std::string>& cells : held_) Write(cells);
  held_.clear();
}

void Table::Write(const std::vector<std::string>& cells) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += "  ";
    const size_t used = CountCodePoints(cells[i]);
    const std::string gap(widths_[i] > used ? widths_[i] - used : 0, ' ');
    const bool last = i + 1 == cells.size();
    absl::StrAppend(&line, right_[i] ? gap : "", cells[i], right_[i] || last ? "" : gap);
  }
  out_ << line << "\n";
}

std::string CellText(const Json& value) {
  if (value.is_null()) return "-";
  std::string text = value.is_string() ? std::string(value.AsString()) : value.ToText();
  // Nothing in a row moves the cursor of a terminal.
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return Shorten(std::move(text), kCellBytesMax);
}

std::string CsvLine(const std::vector<Json>& values) {
  std::string line;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) line += ",";
    if (values[i].is_null()) continue;
    const std::string text =
        values[i].is_string() ? std::string(values[i].AsString()) : values[i].ToText();
    const bool quoted = text.empty() || text.find_first_of(",\"\r\n") != std::string::npos;
    line += quoted ? absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"") : text;
  }
  return line;
}

}  // namespace skald::tools
