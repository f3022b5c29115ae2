// Goal: no commit that is read well crashes the fold: it is folded, or refused with DATA_LOSS; and
// what was folded can be sealed, shown and gone on with. Method: the input is parts, each a letter,
// a length of two bytes and its bytes: 's' a payload slot, 'c' the commit that ends with it, whose
// first byte says which saga's it is (0: the partition's own stream) and whose rest are its events.
// What stands around them is made up right, so that the events themselves are reached.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "engine/partition/fold.h"
#include "engine/saga/pending.h"
#include "storage/commit_record.h"
#include "storage/memory/memory_views.h"

namespace skald {
namespace {

// What compiling a definition does is another fuzzer's matter.
class NoPrograms : public partition::ProgramSource {
 public:
  std::shared_ptr<const definition::Program> Get(absl::string_view, absl::string_view) override {
    return nullptr;
  }
};

class Replay {
 public:
  // False when it was refused: nothing can follow.
  bool Take(absl::string_view commit, const std::vector<absl::string_view>& slots) {
    const auto who = static_cast<unsigned char>(commit[0]);
    const SagaKey key{who == 0 ? "" : "test", who == 0 ? "" : absl::StrCat("s", who)};
    const absl::string_view events = commit.substr(1);
    log::v1::EventBodies bodies;
    if (!bodies.ParseFromArray(events.data(), static_cast<int>(events.size()))) return true;
    if (bodies.events().empty()) return true;
    log::v1::CommitHeader header;
    header.set_format(storage::kCommitFormat);
    header.set_first_position(fold_.last_position().Next().value());
    header.set_count(static_cast<uint32_t>(bodies.events_size()));
    header.set_namespace_(key.namespace_name);
    header.set_saga_id(key.saga_id);
    header.set_first_revision(revisions_[who]);
    header.set_time_us(1'700'000'000'000'000 + static_cast<int64_t>(header.first_position()));
    std::string record;
    storage::EncodeCommit(header, events, slots, &record);
    if (const absl::Status status = fold_.Replay(record); !status.ok()) {
      SKALD_CHECK(absl::IsDataLoss(status));
      return false;
    }
    revisions_[who] += header.count();
    Look(key);
    return true;
  }

 private:
  void Look(const SagaKey& key) {
    SKALD_CHECK(fold_.Seal().ok());
    SKALD_CHECK(fold_.WriteSealed(views_).ok());
    if (key.saga_id.empty()) return;
    const absl::StatusOr<partition::CachedSaga*> saga = fold_.Find(key);
    SKALD_CHECK(saga.ok() && *saga != nullptr);
    const saga::SagaState& state = (*saga)->state;
    saga::ViewOf(state);
    saga::IsAtRest(state);
    const std::string row = saga::EncodeState(state);
    const absl::StatusOr<saga::SagaState> again = saga::DecodeState(row);
    SKALD_CHECK(again.ok() && saga::EncodeState(*again) == row);
  }

  NoPrograms programs_;
  storage::MemoryViews views_;
  partition::Fold fold_{{.partition = PartitionId(0), .partition_count = 4}, views_, programs_};
  std::map<unsigned char, uint64_t> revisions_;
};

}  // namespace
}  // namespace skald

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kHeadBytes = 3;
  absl::string_view input(reinterpret_cast<const char*>(data), size);
  std::vector<absl::string_view> slots;
  skald::Replay replay;
  while (input.size() > kHeadBytes) {
    const size_t length = static_cast<unsigned char>(input[1]) |
                          static_cast<size_t>(static_cast<unsigned char>(input[2])) << 8;
    const char kind = input[0];
    input.remove_prefix(kHeadBytes);
    const absl::string_view part = input.substr(0, length);
    input.remove_prefix(part.size());
    if (kind == 's') {
      slots.push_back(part);
    } else if (!part.empty()) {
      if (!replay.Take(part, slots)) return 0;
      slots.clear();
    }
  }
  return 0;
}
