// A ModelReader over rows in memory, for tests of what reads models: rows in order of their keys
// and of each index, in the encodings of the real one.
//
//   MemoryModels models;
//   models.Add(schema);
//   models.Put("sagas", Json::Parse(R"({"id": "a", "status": "running"})").value());
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/mutex.h"
#include "engine/projection/reader.h"

namespace skald::testing {

// Thread rule: every method from any thread.
class MemoryModels final : public projection::ModelReader {
 public:
  void Add(projection::ModelSchema schema);
  // Replaces rows of the same key.
  void Put(absl::string_view model, const Json& row) { PutAll(model, {row}); }
  void PutAll(absl::string_view model, const std::vector<Json>& rows);
  void Delete(absl::string_view model, absl::string_view key);
  // The next generation, with the same rows.
  void Rebuild(absl::string_view model);
  // Of reads from here on. Rows as they are now can then be read as of that time.
  void SetCut(projection::Cut cut);
  // Open says MODEL_BEHIND so many times, unless stale rows will do.
  void SetBehind(int times) { behind_ = times; }

  // What was asked for, and read.
  projection::OpenOptions last_options() const;
  int opened() const { return opened_; }
  uint64_t scanned() const { return scanned_; }          // rows
  uint64_t values_read() const { return values_read_; }  // of them with values

  std::vector<projection::ModelSchema> Schemas() const override;
  absl::StatusOr<std::unique_ptr<projection::ModelRows>> Open(
      absl::string_view model, const projection::OpenOptions& options) override;

 private:
  struct Table {
    projection::ModelSchema schema;
    uint64_t generation = 1;
    std::map<std::string, Json> rows;
    // By index: place -> key.
    std::map<std::string, std::map<std::string, std::string>> indexes;
  };
  class Rows;

  static void Erase(Table& table, const std::string& key);
  std::map<std::string, std::shared_ptr<const Table>>::iterator Find(absl::string_view model)
      SKALD_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<const Table>> tables_ SKALD_GUARDED_BY(mutex_);
  std::map<Timestamp, std::map<std::string, std::shared_ptr<const Table>>> past_
      SKALD_GUARDED_BY(mutex_);
  projection::Cut cut_ SKALD_GUARDED_BY(mutex_);
  projection::OpenOptions last_options_ SKALD_GUARDED_BY(mutex_);
  std::atomic<int> behind_ = 0;
  std::atomic<int> opened_ = 0;
  std::atomic<uint64_t> scanned_ = 0;
  std::atomic<uint64_t> values_read_ = 0;
};

}  // namespace skald::testing
