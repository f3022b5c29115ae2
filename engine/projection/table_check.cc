#include "engine/projection/table_check.h"

#include <optional>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "engine/projection/index_sums.h"
#include "engine/projection/model_table.h"
#include "engine/projection/projector_state.h"
#include "engine/projection/table_keys.h"
#include "storage/keys.h"

namespace skald::projection {
namespace {

using storage::Table;

class TableCheck {
 public:
  TableCheck(const storage::ViewSnapshot& snapshot, absl::Span<const Position> last,
             absl::Span<const std::shared_ptr<const Model>> models)
      : snapshot_(snapshot), last_(last), models_(models) {}

  absl::StatusOr<TableReport> Run() {
    SKALD_RETURN_IF_ERROR(ReadRegistry());
    SKALD_RETURN_IF_ERROR(ReadCheckpoints());
    for (auto& [number, generation] : generations_) FindIndexes(number, generation);
    for (const Table table :
         {Table::kModelRow, Table::kModelIndex, Table::kModelVersion, Table::kModelPoison}) {
      SKALD_RETURN_IF_ERROR(ReadRows(table));
    }
    Compare();
    return std::move(report_);
  }

 private:
  struct Generation {
    std::string model;  // empty: the registry does not name it
    std::optional<Checkpoint> checkpoint;
    bool has_checkpoint = false;  // readable or not
    // What parts of a rebuild on several threads have folded, beside the checkpoint.
    uint64_t part_rows = 0;
    RowsHash part_hash;
    uint64_t rows = 0;
    RowsHash hash;
    uint64_t others = 0;  // index entries, versions, events put aside
    std::optional<IndexSums> indexes;  // of a known model
  };

  void Damage(std::string where, std::string what) {
    report_.findings.push_back({true, std::move(where), std::move(what)});
  }
  static std::string WhereOf(const Generation& generation, uint64_t number) {
    if (generation.model.empty()) return absl::StrCat("read models, generation ", number);
    return absl::StrCat("read model '", generation.model, "'");
  }

  template <typename Visit>
  absl::Status Scan(Table table, Visit visit) {
    const std::string prefix = storage::KeyBuilder(table, PartitionId(0)).Build();
    return snapshot_.Scan(prefix, storage::PrefixEnd(prefix),
                          [&](absl::string_view key, absl::string_view value) {
                            ++report_.rows;
                            visit(key.substr(prefix.size()), key, value);
                            return true;
                          });
  }

  absl::Status ReadRegistry() {
    return Scan(Table::kModelRegistry, [&](absl::string_view model, absl::string_view,
                                           absl::string_view text) {
      if (model.empty()) {
        if (!absl::SimpleAtoi(text, &next_)) Damage("read models", "their registry cannot be read");
        return;
      }
      const std::string where = absl::StrCat("read model '", model, "'");
      const absl::StatusOr<Json> row = Json::Parse(text, kStoredJson);
      if (!row.ok() || !row->is_object()) return Damage(where, "its registry row cannot be read");
      for (const char* const role : {"live", "previous", "building"}) {
        const Json& number = row->Get(role);
        if (number.is_null()) continue;
        if (!number.IsInt() || number.AsInt() <= 0) {
          Damage(where, absl::StrCat("its registry row names no generation as ", role));
          continue;
        }
        Generation& generation = generations_[static_cast<uint64_t>(number.AsInt())];
        if (!generation.model.empty()) {
          Damage(where, absl::StrCat("shares generation ", number.AsInt(), " with '",
                                     generation.model, "'"));
        }
        generation.model = std::string(model);
      }
    });
  }

  absl::Status ReadCheckpoints() {
    return Scan(Table::kModelCheckpoint,
                [&](absl::string_view, absl::string_view key, absl::string_view text) {
                  const uint64_t number = NumberOf(key);
                  Generation& generation = generations_[number];
                  generation.has_checkpoint = true;
                  const absl::StatusOr<Checkpoint> checkpoint = Checkpoint::Decode(text);
                  if (!checkpoint.ok()) {
                    return Damage(WhereOf(generation, number), "its checkpoint cannot be read");
                  }
                  if (key == CheckpointKey(number)) {
                    generation.checkpoint = *checkpoint;
                  } else {
                    generation.part_rows += checkpoint->rows;
                    generation.part_hash.AddAll(checkpoint->hash);
                  }
                  CheckCut(WhereOf(generation, number), checkpoint->cut);
                });
  }

  void CheckCut(const std::string& where, const Cut& cut) {
    if (cut.positions.size() != last_.size()) {
      return Damage(where, absl::StrCat("was folded over ", cut.positions.size(),
                                        " partitions, and the log has ", last_.size()));
    }
    for (size_t id = 0; id < last_.size(); ++id) {
      if (cut.positions[id] <= last_[id]) continue;
      Damage(where, absl::StrCat("was folded through position ", cut.positions[id].value(),
                                 " of partition ", id, ", and the log ends at ",
                                 last_[id].value()));
    }
  }

  void FindIndexes(uint64_t number, Generation& generation) {
    if (!generation.checkpoint) return;
    for (const std::shared_ptr<const Model>& model : models_) {
      if (model->schema.name != CopiedModel(generation.model) ||
          model->version != generation.checkpoint->version) {
        continue;
      }
      generation.indexes.emplace(number,
                                 std::shared_ptr<const ModelSchema>(model, &model->schema));
      return;
    }
  }

  absl::Status ReadRows(Table table) {
    const size_t prefix = GenerationPrefix(table, 0).size();
    return Scan(table, [&](absl::string_view, absl::string_view key, absl::string_view text) {
      if (key.size() < prefix) return Damage("read models", "a row has no generation");
      const uint64_t number = NumberOf(key);
      Generation& generation = generations_[number];
      bool is_readable = true;
      if (table == Table::kModelRow) {
        ++generation.rows;
        generation.hash.Add(key.substr(prefix), text);
        const absl::StatusOr<Json> row = Json::Parse(text, kStoredJson);
        is_readable = row.ok() && row->is_object();
        if (is_readable && generation.indexes) generation.indexes->AddRow(key.substr(prefix), *row);
      } else {
        ++generation.others;
        if (table == Table::kModelPoison) is_readable = DecodePoison(text).ok();
        // A version that is empty says that there was no row.
        if (table == Table::kModelVersion && !text.empty())
          is_readable = Json::Parse(text, kStoredJson).ok();
        if (table == Table::kModelIndex) is_readable = text.empty();
        if (table == Table::kModelIndex && generation.indexes) generation.indexes->AddEntry(key);
      }
      if (!is_readable) Damage(WhereOf(generation, number), "a row cannot be read");
    });
  }

  static uint64_t NumberOf(absl::string_view key) { return storage::KeyParser(key).Number(); }

  void Compare() {
    for (const auto& [number, generation] : generations_) {
      const std::string where = WhereOf(generation, number);
      // A deletion takes the checkpoint last.
      if (generation.model.empty() && generation.has_checkpoint) {
        report_.findings.push_back({false, where, "is left over: the next start deletes it"});
        continue;
      }
      if (number >= next_) Damage(where, absl::StrCat("generation ", number, " is not given out yet"));
      if (!generation.has_checkpoint) {
        if (generation.rows + generation.others > 0) Damage(where, "its rows have no checkpoint");
        continue;
      }
      if (!generation.checkpoint) continue;
      Checkpoint folded = *generation.checkpoint;
      folded.rows += generation.part_rows;
      folded.hash.AddAll(generation.part_hash);
      if (generation.rows == folded.rows && generation.hash == folded.hash) {
        const std::string difference =
            generation.indexes ? generation.indexes->Difference() : std::string();
        if (!difference.empty()) Damage(where, difference);
        continue;
      }
      Damage(where, absl::StrCat("has ", generation.rows, " rows that sum up to ",
                                 generation.hash.ToHex(), "; folding came to ", folded.rows, " and ",
                                 folded.hash.ToHex()));
    }
  }

  const storage::ViewSnapshot& snapshot_;
  const absl::Span<const Position> last_;
  const absl::Span<const std::shared_ptr<const Model>> models_;
  uint64_t next_ = ~uint64_t{0};
  absl::btree_map<uint64_t, Generation> generations_;
  TableReport report_;
};

}  // namespace

absl::StatusOr<TableReport> CheckModelTables(const storage::ViewSnapshot& snapshot,
                                             absl::Span<const Position> last,
                                             absl::Span<const std::shared_ptr<const Model>> models) {
  return TableCheck(snapshot, last, models).Run();
}

}  // namespace skald::projection
