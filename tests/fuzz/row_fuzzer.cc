// Goal: no bytes in a row of views crash the code that reads it; a key that is read is written back
// as it was, and so is a saga's state. Method: the input is a key, its length first, and a value.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "engine/partition/rows.h"
#include "engine/projection/model_table.h"
#include "engine/saga/state.h"
#include "engine/saga/view.h"
#include "storage/keys.h"

namespace skald {
namespace {

void ReadKeys(absl::string_view key) {
  storage::KeyParser parser(key);
  const PartitionId partition = parser.partition();
  if (const auto saga = partition::ParseSagaRowKey(key); saga.ok()) {
    SKALD_CHECK(partition::SagaRowKey(partition, *saga).substr(1) == key.substr(1));
  }
  if (const auto row = partition::ParseTimerKey(key); row.ok()) {
    SKALD_CHECK(partition::TimerKey(partition, row->saga, row->timer).substr(1) == key.substr(1));
  }
  if (const auto row = partition::ParseDedupExpiryKey(key); row.ok()) {
    SKALD_CHECK(partition::DedupExpiryKey(partition, row->time, row->namespace_name, row->request_id)
                    .substr(1) == key.substr(1));
  }
  partition::ParseMailboxKey(key).status().IgnoreError();
  storage::ParseLogKey(key).status().IgnoreError();
  storage::ParsePosition(key).status().IgnoreError();
  SKALD_CHECK(key.empty() || storage::PrefixEnd(key).empty() || storage::PrefixEnd(key) > key);
}

void ReadValues(absl::string_view key, absl::string_view value) {
  partition::History commits;
  partition::DecodeStreamIndex(key, value, &commits).IgnoreError();
  partition::DecodeReadyTask(key, value).status().IgnoreError();
  partition::DecodeDedup(value).status().IgnoreError();
  partition::DecodeNumbers(value).status().IgnoreError();
  partition::DecodeDefinition(value).status().IgnoreError();
  projection::DecodePoison(value).status().IgnoreError();
  projection::RowsHash::FromHex(value);
  if (const auto checkpoint = projection::Checkpoint::Decode(value); checkpoint.ok()) {
    const auto again = projection::Checkpoint::Decode(checkpoint->Encode());
    SKALD_CHECK(again.ok() && again->Encode() == checkpoint->Encode());
  }
  const absl::StatusOr<saga::SagaState> state = saga::DecodeState(value);
  if (!state.ok()) return;
  const std::string bytes = saga::EncodeState(*state);
  const absl::StatusOr<saga::SagaState> again = saga::DecodeState(bytes);
  SKALD_CHECK(again.ok() && saga::EncodeState(*again) == bytes);
}

}  // namespace
}  // namespace skald

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const absl::string_view key = input.substr(0, data[0]);
  skald::ReadKeys(key);
  skald::ReadValues(key, input.substr(key.size()));
  return 0;
}
