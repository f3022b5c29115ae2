#include "engine/projection/model_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/errors.h"
#include "base/json_order.h"
#include "base/status_macros.h"
#include "engine/projection/table_keys.h"
#include "xxhash.h"

namespace skald::projection {
namespace {

using storage::PrefixEnd;
using storage::RowChange;
using storage::Table;

// Of the texts of rows that were written last; their values take some three times as much. There may be a
// hundred tables.
constexpr size_t kRecentBytesMax = 512 << 10;

XXH128_hash_t HashOf(absl::string_view key, absl::string_view text) {
  // The key ends by itself, so key and text cannot be divided another way.
  std::string bytes;
  bytes.reserve(key.size() + text.size());
  absl::StrAppend(&bytes, key, text);
  return XXH3_128bits(bytes.data(), bytes.size());
}

absl::Status Damaged(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the ", what,
                                          " of a read model is damaged; `skald rebuild` makes it "
                                          "anew from the log"));
}

Json PoisonToJson(const Poison& poison) {
  return Json::Object({{"partition", Json::Int(poison.partition.value())},
                       {"position", Json::Int(static_cast<int64_t>(poison.position.value()))},
                       {"time", Json::Int(poison.time.value())},
                       {"error", Json::String(poison.error)}});
}

Poison PoisonFromJson(const Json& json) {
  return {.partition = PartitionId(static_cast<uint32_t>(json.Get("partition").AsInt())),
          .position = Position(static_cast<uint64_t>(json.Get("position").AsInt())),
          .time = Timestamp(json.Get("time").AsInt()),
          .error = std::string(json.Get("error").AsString())};
}

bool IsPoison(const Json& json) {
  return json.Get("partition").IsInt() && json.Get("position").IsInt() &&
         json.Get("time").IsInt() && json.Get("error").is_string();
}

}  // namespace

// ---- RowsHash ----

void RowsHash::Add(absl::string_view key, absl::string_view text) {
  const XXH128_hash_t hash = HashOf(key, text);
  low += hash.low64;
  high += hash.high64 + (low < hash.low64 ? 1 : 0);
}

void RowsHash::Remove(absl::string_view key, absl::string_view text) {
  const XXH128_hash_t hash = HashOf(key, text);
  high -= hash.high64 + (low < hash.low64 ? 1 : 0);
  low -= hash.low64;
}

void RowsHash::AddAll(const RowsHash& other) {
  low += other.low;
  high += other.high + (low < other.low ? 1 : 0);
}

std::string RowsHash::ToHex() const { return absl::StrFormat("%016x%016x", high, low); }

std::optional<RowsHash> RowsHash::FromHex(absl::string_view hex) {
  RowsHash hash;
  if (hex.size() != 32) return std::nullopt;
  for (const char c : hex) {
    const size_t digit = absl::string_view("0123456789abcdef").find(c);
    if (digit == absl::string_view::npos) return std::nullopt;
    hash.high = (hash.high << 4) | (hash.low >> 60);
    hash.low = (hash.low << 4) | digit;
  }
  return hash;
}

// ---- Poison ----

std::string EncodePoison(const Poison& poison) { return PoisonToJson(poison).ToText(); }

absl::StatusOr<Poison> DecodePoison(absl::string_view text) {
  const absl::StatusOr<Json> json = Json::Parse(text, kStoredJson);
  if (!json.ok() || !IsPoison(*json)) return Damaged("event that was put aside");
  return PoisonFromJson(*json);
}

// ---- Checkpoint ----

std::string Checkpoint::Encode() const {
  Json::ArrayBuilder positions;
  for (const Position position : cut.positions) {
    positions.Add(Json::Int(static_cast<int64_t>(position.value())));
  }
  Json::ObjectBuilder object;
  object.Add("time", Json::Int(cut.time.value()));
  object.Add("positions", std::move(positions).Build());
  object.Add("rows", Json::Int(static_cast<int64_t>(rows)));
  object.Add("hash", Json::String(hash.ToHex()));
  object.Add("version", Json::String(version));
  object.Add("parked", Json::Int(static_cast<int64_t>(parked)));
  if (stopped) object.Add("stopped", PoisonToJson(*stopped));
  return std::move(object).Build().ToText();
}

absl::StatusOr<Checkpoint> Checkpoint::Decode(absl::string_view text) {
  const absl::StatusOr<Json> json = Json::Parse(text, kStoredJson);
  if (!json.ok()) return Damaged("checkpoint");
  const std::optional<RowsHash> hash = RowsHash::FromHex(
      json->Get("hash").is_string() ? json->Get("hash").AsString() : absl::string_view());
  const Json& stopped = json->Get("stopped");
  if (!hash || !json->Get("time").IsInt() || !json->Get("positions").is_array() ||
      !json->Get("rows").IsInt() || !json->Get("version").is_string() ||
      !json->Get("parked").IsInt() || !(stopped.is_null() || IsPoison(stopped))) {
    return Damaged("checkpoint");
  }
  Checkpoint checkpoint;
  checkpoint.cut.time = Timestamp(json->Get("time").AsInt());
  for (const Json& position : json->Get("positions").AsArray()) {
    if (!position.IsInt()) return Damaged("checkpoint");
    checkpoint.cut.positions.emplace_back(static_cast<uint64_t>(position.AsInt()));
  }
  checkpoint.rows = static_cast<uint64_t>(json->Get("rows").AsInt());
  checkpoint.hash = *hash;
  checkpoint.version = std::string(json->Get("version").AsString());
  checkpoint.parked = static_cast<uint64_t>(json->Get("parked").AsInt());
  if (!stopped.is_null()) checkpoint.stopped = PoisonFromJson(stopped);
  return checkpoint;
}

// ---- ModelTable ----

ModelTable::ModelTable(const storage::Views& views, const ModelSchema& schema, uint64_t generation,
                       Checkpoint checkpoint, std::optional<uint32_t> part)
    : views_(views),
      schema_(schema),
      generation_(generation),
      checkpoint_key_(part ? PartKey(generation, *part) : CheckpointKey(generation)),
      row_prefix_(GenerationPrefix(Table::kModelRow, generation)),
      index_keys_(IndexKeysOf(generation, schema)),
      checkpoint_(std::move(checkpoint)),
      recent_(kRecentBytesMax) {}

absl::StatusOr<std::optional<Json>> ModelTable::Get(absl::string_view key) {
  auto found = pending_.find(key);
  if (found == pending_.end()) {
    Pending pending;
    SKALD_RETURN_IF_ERROR(LoadBefore(key, pending));
    pending.now = pending.before;
    found = pending_.emplace(std::string(key), std::move(pending)).first;
  }
  return found->second.now;
}

absl::Status ModelTable::LoadBefore(absl::string_view key, Pending& pending) {
  if (const WrittenRow* const written = recent_.Find(key)) {
    pending.before = written->row;
    pending.before_text = written->text;
    pending.is_before_known = true;
    return absl::OkStatus();
  }
  SKALD_ASSIGN_OR_RETURN(std::optional<std::string> text,
                         views_.Get(absl::StrCat(row_prefix_, key)));
  pending.is_before_known = true;
  if (!text) return absl::OkStatus();
  absl::StatusOr<Json> row = Json::Parse(*text, kStoredJson);
  if (!row.ok()) return Damaged("row");
  pending.before = *std::move(row);
  pending.before_text = *std::move(text);
  return absl::OkStatus();
}

void ModelTable::Put(Json row, RowHint hint) {
  std::string key = EncodeRowKey(schema_, row);
  Change(std::move(key), std::move(row), hint);
}

void ModelTable::Delete(absl::string_view key) { Change(std::string(key), std::nullopt, {}); }

void ModelTable::Change(std::string key, std::optional<Json> now, RowHint hint) {
  if (schema_.history) versions_.insert_or_assign(VersionKey(generation_, key, stamp_), now);
  const auto [place, inserted] = pending_.try_emplace(std::move(key));
  if (inserted) place->second.is_before_known = hint.is_new;
  place->second.now = std::move(now);
  place->second.is_last = hint.is_last;
}

absl::Status ModelTable::Scan(absl::string_view begin, absl::string_view end,
                              absl::FunctionRef<bool(absl::string_view key, const Json& row)> row) {
  auto mine = pending_.lower_bound(begin);
  const auto is_mine_in_range = [&] {
    return mine != pending_.end() && (end.empty() || absl::string_view(mine->first) < end);
  };
  bool goes_on = true;
  const auto give_mine = [&] {
    if (mine->second.now) goes_on = row(mine->first, *mine->second.now);
    ++mine;
  };
  absl::Status damaged;
  SKALD_RETURN_IF_ERROR(
      views_.Scan(absl::StrCat(row_prefix_, begin),
                  end.empty() ? PrefixEnd(row_prefix_) : absl::StrCat(row_prefix_, end),
                  [&](absl::string_view view_key, absl::string_view text) {
                    const absl::string_view key = view_key.substr(row_prefix_.size());
                    while (goes_on && is_mine_in_range() && absl::string_view(mine->first) < key)
                      give_mine();
                    if (!goes_on) return false;
                    if (is_mine_in_range() && absl::string_view(mine->first) == key) {
                      give_mine();
                      return goes_on;
                    }
                    const absl::StatusOr<Json> value = Json::Parse(text, kStoredJson);
                    if (!value.ok()) {
                      damaged = Damaged("row");
                      return false;
                    }
                    goes_on = row(key, *value);
                    return goes_on;
                  }));
  SKALD_RETURN_IF_ERROR(damaged);
  while (goes_on && is_mine_in_range()) give_mine();
  return absl::OkStatus();
}

void ModelTable::Stop(const Poison& poison, const Cut& cut) {
  checkpoint_.stopped = poison;
  stop_cut_ = cut;
}

void ModelTable::Park(const Poison& poison) {
  ++checkpoint_.parked;
  parked_.push_back({PoisonKey(generation_, {poison.time, poison.partition, poison.position}),
                     EncodePoison(poison)});
}

absl::Status ModelTable::Finish(const Cut& cut, std::vector<RowChange>& changes,
                                std::vector<RowDelta>* deltas) {
  for (auto& [key, pending] : pending_) {
    if (!pending.is_before_known) SKALD_RETURN_IF_ERROR(LoadBefore(key, pending));
    // Read only, or the same again.
    if (pending.before == pending.now &&
        (!pending.now || pending.before_text == pending.now->ToText())) {
      continue;
    }
    FinishRow(key, pending, changes);
    if (deltas != nullptr) {
      deltas->push_back({key, std::move(pending.before), std::move(pending.now)});
    }
  }
  // Rows came in key order; views take the entries of indexes fastest in theirs.
  std::sort(entries_.begin(), entries_.end(),
            [](const RowChange& a, const RowChange& b) { return a.key < b.key; });
  std::move(entries_.begin(), entries_.end(), std::back_inserter(changes));
  for (auto& [key, value] : versions_) {
    changes.push_back({key, value ? value->ToText() : std::string()});
  }
  std::move(parked_.begin(), parked_.end(), std::back_inserter(changes));
  pending_.clear();
  entries_.clear();
  versions_.clear();
  parked_.clear();
  checkpoint_.cut = stop_cut_ ? *std::exchange(stop_cut_, std::nullopt) : cut;
  changes.push_back({checkpoint_key_, checkpoint_.Encode()});
  return absl::OkStatus();
}

void ModelTable::FinishRow(const std::string& key, Pending& pending,
                           std::vector<RowChange>& changes) {
  for (const IndexKeys& keys : index_keys_) {
    std::optional<std::string> old_key, new_key;
    if (pending.before) old_key = keys.KeyOf(*pending.before, key);
    if (pending.now) new_key = keys.KeyOf(*pending.now, key);
    if (old_key == new_key) continue;
    if (old_key) entries_.push_back({*std::move(old_key), std::nullopt});
    if (new_key) entries_.push_back({*std::move(new_key), ""});
  }
  if (pending.before) {
    checkpoint_.hash.Remove(key, pending.before_text);
    --checkpoint_.rows;
  }
  std::optional<std::string> text;
  if (pending.now) {
    text = pending.now->ToText();
    checkpoint_.hash.Add(key, *text);
    ++checkpoint_.rows;
  }
  if (pending.now && !pending.is_last) {
    recent_.Put(key, {*pending.now, *text});
  } else if (pending.before) {
    recent_.Erase(key);
  }
  changes.push_back({absl::StrCat(row_prefix_, key), std::move(text)});
}

// ---- Housekeeping ----

absl::StatusOr<bool> DeleteGeneration(storage::Views& views, uint64_t generation, size_t count,
                                      std::string& place) {
  std::vector<RowChange> changes;
  const auto snapshot = views.Snapshot();
  std::string begin = std::exchange(place, {});
  // The checkpoint last: while it is there the generation is known to have rows.
  for (const Table table : {Table::kModelRow, Table::kModelIndex, Table::kModelVersion,
                            Table::kModelPoison, Table::kModelCheckpoint}) {
    const std::string prefix = GenerationPrefix(table, generation);
    if (begin.empty()) begin = prefix;
    if (!absl::StartsWith(begin, prefix)) continue;  // gone
    SKALD_RETURN_IF_ERROR(
        snapshot->Scan(begin, PrefixEnd(prefix), [&](absl::string_view key, absl::string_view) {
          if (changes.size() >= count) {
            place = std::string(key);
            return false;
          }
          changes.push_back({std::string(key), std::nullopt});
          return true;
        }));
    if (!place.empty()) break;
    begin.clear();
  }
  SKALD_RETURN_IF_ERROR(views.ApplyRows(changes));
  return place.empty();
}

absl::StatusOr<std::pair<uint64_t, RowsHash>> HashRows(const storage::ViewSnapshot& snapshot,
                                                       uint64_t generation,
                                                       absl::FunctionRef<bool()> stopped) {
  std::pair<uint64_t, RowsHash> sum;
  bool is_stopped = false;
  const std::string prefix = GenerationPrefix(Table::kModelRow, generation);
  SKALD_RETURN_IF_ERROR(
      snapshot.Scan(prefix, PrefixEnd(prefix), [&](absl::string_view key, absl::string_view text) {
        is_stopped = stopped();
        ++sum.first;
        sum.second.Add(key.substr(prefix.size()), text);
        return !is_stopped;
      }));
  if (is_stopped) return absl::CancelledError("the rows were not all looked at");
  return sum;
}

}  // namespace skald::projection
