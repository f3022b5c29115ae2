#include "storage/keys.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace skald::storage {
namespace {

constexpr char kEscape = '\x00';
constexpr char kEscapedZero = '\xff';
constexpr char kTextEnd = '\x01';

template <typename Number>
void AppendBigEndian(Number value, std::string* out) {
  for (int shift = 8 * (static_cast<int>(sizeof(Number)) - 1); shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>(value >> shift));
  }
}

// Precondition: `bytes` holds at least sizeof(Number) bytes.
template <typename Number>
Number ReadBigEndian(absl::string_view bytes) {
  Number value = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) {
    value = static_cast<Number>(value << 8 | static_cast<unsigned char>(bytes[i]));
  }
  return value;
}

}  // namespace

std::string LogKey(Position first) {
  std::string key;
  AppendBigEndian(first.value(), &key);
  return key;
}

absl::StatusOr<Position> ParseLogKey(absl::string_view key) {
  if (key.size() != sizeof(uint64_t)) {
    return absl::DataLossError(absl::StrCat("log key has ", key.size(), " bytes instead of 8"));
  }
  return Position(ReadBigEndian<uint64_t>(key));
}

std::string AppliedKey(PartitionId partition) {
  return KeyBuilder(Table::kApplied, partition).Build();
}

std::string EncodePosition(Position position) { return LogKey(position); }

absl::StatusOr<Position> ParsePosition(absl::string_view value) { return ParseLogKey(value); }

KeyBuilder::KeyBuilder(Table table, PartitionId partition) {
  key_.push_back(static_cast<char>(table));
  AppendBigEndian(partition.value(), &key_);
}

KeyBuilder& KeyBuilder::Number(uint64_t value) {
  AppendBigEndian(value, &key_);
  return *this;
}

KeyBuilder& KeyBuilder::Time(Timestamp value) {
  SKALD_CHECK(value.value() >= 0);
  return Number(static_cast<uint64_t>(value.value()));
}

KeyBuilder& KeyBuilder::Text(absl::string_view text) {
  for (const char byte : text) {
    key_.push_back(byte);
    if (byte == kEscape) key_.push_back(kEscapedZero);
  }
  key_.push_back(kEscape);
  key_.push_back(kTextEnd);
  return *this;
}

KeyBuilder& KeyBuilder::Raw(absl::string_view bytes) {
  key_.append(bytes.data(), bytes.size());
  return *this;
}

std::string KeyBuilder::Build() { return std::move(key_); }

KeyParser::KeyParser(absl::string_view key) : rest_(key) {
  if (key.size() < 1 + sizeof(uint32_t)) {
    ok_ = false;
    return;
  }
  table_ = static_cast<Table>(key[0]);
  partition_ = PartitionId(ReadBigEndian<uint32_t>(key.substr(1)));
  rest_.remove_prefix(1 + sizeof(uint32_t));
}

uint64_t KeyParser::Number() {
  if (!ok_ || rest_.size() < sizeof(uint64_t)) {
    ok_ = false;
    return 0;
  }
  const auto value = ReadBigEndian<uint64_t>(rest_);
  rest_.remove_prefix(sizeof(uint64_t));
  return value;
}

Timestamp KeyParser::Time() {
  const uint64_t value = Number();
  if (value > static_cast<uint64_t>(kNever.value())) {
    ok_ = false;
    return Timestamp(0);
  }
  return Timestamp(static_cast<int64_t>(value));
}

std::string KeyParser::Text() {
  std::string text;
  while (ok_) {
    // Every zero byte is followed by one that tells an escaped zero from the end.
    const size_t zero = rest_.find(kEscape);
    if (zero == absl::string_view::npos || zero + 1 >= rest_.size()) break;
    text.append(rest_.data(), zero);
    const char kind = rest_[zero + 1];
    rest_.remove_prefix(zero + 2);
    if (kind == kTextEnd) return text;
    if (kind != kEscapedZero) break;
    text.push_back(kEscape);
  }
  ok_ = false;
  return {};
}

absl::string_view KeyParser::Rest() {
  const absl::string_view rest = ok_ ? rest_ : absl::string_view();
  rest_ = {};
  return rest;
}

std::string PrefixEnd(absl::string_view prefix) {
  std::string end(prefix.data(), prefix.size());
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

}  // namespace skald::storage
