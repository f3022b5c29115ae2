#include "engine/projection/table_keys.h"

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/json_order.h"

namespace skald::projection {
namespace {

using storage::KeyBuilder;
using storage::Table;

constexpr PartitionId kPartition{0};
// Most encoded values take less: a time takes 30.
constexpr size_t kValueBytes = 32;

KeyBuilder Begin(Table table, uint64_t generation) {
  KeyBuilder key(table, kPartition);
  key.Number(generation);
  return key;
}

std::string EncodeStamp(const Stamp& stamp) {
  std::string bytes;
  const auto append = [&](uint64_t value, int bits) {
    for (int shift = bits - 8; shift >= 0; shift -= 8) {
      bytes.push_back(static_cast<char>((value >> shift) & 0xFF));
    }
  };
  append(static_cast<uint64_t>(stamp.time.value()), 64);
  append(stamp.partition.value(), 32);
  append(stamp.position.value(), 64);
  return bytes;
}

}  // namespace

std::string GenerationPrefix(Table table, uint64_t generation) {
  return Begin(table, generation).Build();
}

std::string CheckpointKey(uint64_t generation) {
  return Begin(Table::kModelCheckpoint, generation).Build();
}

std::string PartKey(uint64_t generation, uint32_t part) {
  return Begin(Table::kModelCheckpoint, generation).Number(part).Build();
}

std::string RowKey(uint64_t generation, absl::string_view row_key) {
  return Begin(Table::kModelRow, generation).Raw(row_key).Build();
}

std::string IndexPrefix(uint64_t generation, size_t index) {
  return Begin(Table::kModelIndex, generation).Number(index).Build();
}

IndexKeys::IndexKeys(uint64_t generation, const ModelSchema& schema, size_t index)
    : prefix_(IndexPrefix(generation, index)) {
  for (const std::string& name : schema.indexes[index].columns) {
    columns_.push_back(schema.FindColumn(name));
    SKALD_CHECK(columns_.back() != nullptr);
  }
}

std::optional<std::string> IndexKeys::KeyOf(const Json& row, absl::string_view row_key) const {
  if (ModelSchema::ValueOf(*columns_.front(), row).is_null()) return std::nullopt;
  std::string key;
  key.reserve(prefix_.size() + kValueBytes * columns_.size() + row_key.size());
  key = prefix_;
  for (const Column* const column : columns_) {
    AppendOrdered(ModelSchema::ValueOf(*column, row), key);
  }
  key.append(row_key.data(), row_key.size());
  return key;
}

std::vector<IndexKeys> IndexKeysOf(uint64_t generation, const ModelSchema& schema) {
  std::vector<IndexKeys> keys;
  for (size_t i = 0; i < schema.indexes.size(); ++i) keys.emplace_back(generation, schema, i);
  return keys;
}

std::string EncodeStampDescending(const Stamp& stamp) {
  std::string bytes = EncodeStamp(stamp);
  for (char& byte : bytes) byte = static_cast<char>(~byte);
  return bytes;
}

std::string VersionKey(uint64_t generation, absl::string_view row_key, const Stamp& stamp) {
  return absl::StrCat(Begin(Table::kModelVersion, generation).Raw(row_key).Build(),
                      EncodeStampDescending(stamp));
}

std::string PoisonKey(uint64_t generation, const Stamp& stamp) {
  return Begin(Table::kModelPoison, generation).Raw(EncodeStamp(stamp)).Build();
}

std::string RegistryKey(absl::string_view model) {
  return KeyBuilder(Table::kModelRegistry, kPartition).Raw(model).Build();
}

}  // namespace skald::projection
