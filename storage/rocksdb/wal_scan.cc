#include "storage/rocksdb/wal_scan.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "rocksdb/env.h"
#include "rocksdb/write_batch.h"
#include "storage/crc32c.h"
#include "storage/keys.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/slice.h"

namespace skald::storage {
namespace {

constexpr size_t kBlockBytes = 32 << 10;
constexpr size_t kHeaderBytes = 7;
constexpr size_t kRecyclableHeaderBytes = 11;
constexpr size_t kTypeAt = 6;
constexpr size_t kWriteHeaderBytes = 12;

// Fragment types as they are stored. The recyclable ones are these plus 4.
enum class FragmentType : uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };
constexpr uint8_t kRecyclableShift = 4;
constexpr uint8_t kLastRecyclableType = 8;

struct Fragment {
  FragmentType type = FragmentType::kFull;
  size_t bytes = 0;  // with its header
  absl::string_view payload;

  bool StartsRecord() const { return type == FragmentType::kFull || type == FragmentType::kFirst; }
  bool EndsRecord() const { return type == FragmentType::kFull || type == FragmentType::kLast; }
};

uint64_t ReadLittleEndian(absl::string_view bytes, size_t at, size_t count) {
  uint64_t value = 0;
  for (size_t i = count; i > 0; --i) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + i - 1]);
  }
  return value;
}

// Checksums are stored rotated and shifted, since a file may contain files with checksums.
uint32_t Unmask(uint32_t masked) {
  constexpr uint32_t kDelta = 0xa282ead8;
  const uint32_t rotated = masked - kDelta;
  return rotated >> 17 | rotated << 15;
}

// The valid fragment at the start of `bytes`, or what is wrong with it. `file_number` is what a
// recyclable fragment must carry.
absl::StatusOr<Fragment> ParseFragment(absl::string_view bytes, uint64_t file_number) {
  if (bytes.size() < kHeaderBytes) return absl::DataLossError("the file ends within a header");
  const auto stored_type = static_cast<uint8_t>(bytes[kTypeAt]);
  if (stored_type == 0 || stored_type > kLastRecyclableType) {
    return absl::DataLossError(absl::StrCat("unknown fragment type ", stored_type));
  }
  const bool recyclable = stored_type > kRecyclableShift;
  const size_t header_bytes = recyclable ? kRecyclableHeaderBytes : kHeaderBytes;
  const size_t length = ReadLittleEndian(bytes, 4, 2);
  if (header_bytes + length > bytes.size()) {
    return absl::DataLossError("a fragment goes on past the end of its block or file");
  }
  const absl::string_view covered = bytes.substr(kTypeAt, header_bytes - kTypeAt + length);
  if (Crc32c(covered) != Unmask(static_cast<uint32_t>(ReadLittleEndian(bytes, 0, 4)))) {
    return absl::DataLossError("the checksum of a fragment does not match");
  }
  if (recyclable &&
      ReadLittleEndian(bytes, kHeaderBytes, 4) != static_cast<uint32_t>(file_number)) {
    return absl::DataLossError("a fragment belongs to a former life of the file");
  }
  const auto type = recyclable ? stored_type - kRecyclableShift : stored_type;
  return Fragment{.type = static_cast<FragmentType>(type),
                  .bytes = header_bytes + length,
                  .payload = bytes.substr(header_bytes, length)};
}

bool IsZeros(absl::string_view bytes) {
  return bytes.find_first_not_of('\0') == absl::string_view::npos;
}

// "12" -> 12.
std::optional<uint64_t> FileNumber(absl::string_view digits) {
  uint64_t number = 0;
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit)) {
    return std::nullopt;
  }
  if (!absl::SimpleAtoi(digits, &number)) return std::nullopt;
  return number;
}

// "000012.log" -> 12.
std::optional<uint64_t> WalNumber(absl::string_view name) {
  if (!absl::ConsumeSuffix(&name, ".log")) return std::nullopt;
  return FileNumber(name);
}

bool IsManifestName(absl::string_view name) {
  return absl::ConsumePrefix(&name, "MANIFEST-") && FileNumber(name).has_value();
}

absl::string_view BaseName(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

// Compares the first commit of each partition with where its tables end.
class FirstCommits : public rocksdb::WriteBatch::Handler {
 public:
  explicit FirstCommits(std::map<uint32_t, Position> last_positions)
      : last_positions_(std::move(last_positions)) {}

  // What is missing before the writes of `record`, if anything.
  std::optional<std::string> Look(const std::string& record) {
    gap_.reset();
    if (last_positions_.empty()) return gap_;
    // What RocksDB cannot read, it tells of when it opens the file.
    rocksdb::WriteBatch(record).Iterate(this).PermitUncheckedError();
    return gap_;
  }

  rocksdb::Status PutCF(uint32_t family, const rocksdb::Slice& key,
                        const rocksdb::Slice&) override {
    const auto last = last_positions_.find(family);
    if (last == last_positions_.end()) return rocksdb::Status::OK();
    const absl::StatusOr<Position> first = ParseLogKey(FromSlice(key));
    if (first.ok() && *first > last->second.Next()) {
      gap_ = absl::StrCat("a partition's commit is at position ", first->value(),
                          ", but its tables end at ", last->second.value());
    }
    last_positions_.erase(last);
    return rocksdb::Status::OK();
  }

 private:
  // Of the partitions that have not been met yet.
  std::map<uint32_t, Position> last_positions_;
  std::optional<std::string> gap_;
};

// Goes over the files in order and remembers the first damage.
class Scanner {
 public:
  Scanner(rocksdb::Env& env, const std::optional<WalStart>& start)
      : env_(env), start_(start), first_commits_(start.value_or(WalStart()).last_positions) {}

  // Returns early once damage is known to be followed by a record.
  absl::Status ScanFile(const std::string& file) {
    file_ = file;
    number_ = WalNumber(BaseName(file)).value_or(0);
    record_start_.reset();
    zeros_from_.reset();
    std::unique_ptr<rocksdb::SequentialFile> reader;
    SKALD_RETURN_IF_ERROR(FromRocksDb(env_.NewSequentialFile(file, &reader, rocksdb::EnvOptions()),
                                      absl::StrCat("open ", file)));
    std::string scratch(kBlockBytes, '\0');
    uint64_t offset = 0;
    while (!done()) {
      rocksdb::Slice block;
      SKALD_RETURN_IF_ERROR(FromRocksDb(reader->Read(kBlockBytes, &block, scratch.data()),
                                        absl::StrCat("read ", file)));
      if (block.empty()) break;
      ScanBlock(offset, FromSlice(block));
      offset += block.size();
    }
    if (record_start_.has_value()) {
      SetDamage(zeros_from_.value_or(offset), "the file ends within a record");
    }
    return absl::OkStatus();
  }

  bool done() const { return damage_.has_value() && damage_->followed_by.has_value(); }
  std::optional<WalDamage> damage() && { return std::move(damage_); }

 private:
  void ScanBlock(uint64_t offset, absl::string_view block) {
    size_t at = 0;
    if (zeros_from_.has_value()) {
      if (IsZeros(block)) return;
      SetDamage(*zeros_from_, "zeros where a fragment should be");
      zeros_from_.reset();
    }
    while (at < block.size() && !done()) {
      // Too little room for a header: RocksDB fills the rest of a full block with zeros.
      if (block.size() == kBlockBytes && block.size() - at < kHeaderBytes) return;
      const absl::StatusOr<Fragment> fragment = ParseFragment(block.substr(at), number_);
      if (!fragment.ok()) {
        if (IsZeros(block.substr(at))) {
          if (!damage_.has_value()) zeros_from_ = offset + at;
          return;
        }
        SetDamage(offset + at, fragment.status().message());
        FindRecordStart(offset, block, at + 1);
        return;
      }
      TakeFragment(offset + at, *fragment);
      at += fragment->bytes;
    }
  }

  void TakeFragment(uint64_t offset, const Fragment& fragment) {
    if (fragment.StartsRecord()) {
      if (record_start_.has_value()) SetDamage(offset, "a record breaks off before its end");
      if (damage_.has_value()) {
        damage_->followed_by = WalPlace{file_, offset};
        return;
      }
      record_start_ = offset;
      record_.clear();
    } else if (!record_start_.has_value()) {
      // After damage this is the rest of the damaged record.
      SetDamage(offset, "a fragment continues no record");
    }
    if (record_start_.has_value() && IsNeeded())
      record_.append(fragment.payload.data(), fragment.payload.size());
    if (!fragment.EndsRecord()) return;
    if (record_start_.has_value() && IsNeeded()) CheckWrites(*record_start_);
    record_start_.reset();
  }

  // Whether what the file holds may be nowhere else.
  bool IsNeeded() const { return start_.has_value() && number_ >= start_->oldest_file; }

  // Whether the record that begins at `offset` goes on where the one before it ended.
  void CheckWrites(uint64_t offset) {
    // RocksDB tells best what is wrong with such a one.
    if (record_.size() < kWriteHeaderBytes) return;
    const uint64_t sequence = ReadLittleEndian(record_, 0, 8);
    const uint64_t count = ReadLittleEndian(record_, 8, 4);
    // Takes no number, so its own says nothing.
    if (count == 0) return;
    // What the list knows of may still stand in the first record.
    const uint64_t latest = next_sequence_.value_or(start_->last_sequence + 1);
    if (sequence > latest || (next_sequence_.has_value() && sequence < latest)) {
      return SetGap(offset,
                    absl::StrCat("write ", latest, " should stand here, but it is ", sequence));
    }
    next_sequence_ = sequence + count;
    const std::optional<std::string> gap = first_commits_.Look(record_);
    if (gap.has_value()) SetGap(offset, *gap);
  }

  void SetGap(uint64_t offset, absl::string_view what) {
    SetDamage(offset, what);
    damage_->followed_by = damage_->place;
  }

  // Behind damage no length can be believed: looks at every byte of the block for a record's start.
  void FindRecordStart(uint64_t offset, absl::string_view block, size_t at) {
    for (; at + kHeaderBytes <= block.size(); ++at) {
      const absl::StatusOr<Fragment> fragment = ParseFragment(block.substr(at), number_);
      if (!fragment.ok() || !fragment->StartsRecord()) continue;
      damage_->followed_by = WalPlace{file_, offset + at};
      return;
    }
  }

  void SetDamage(uint64_t offset, absl::string_view what) {
    if (!damage_.has_value()) {
      damage_ = WalDamage{.place = {file_, offset},
                          .what = std::string(what),
                          .record_offset = record_start_.value_or(offset),
                          .followed_by = std::nullopt};
    }
    record_start_.reset();
  }

  rocksdb::Env& env_;
  const std::optional<WalStart> start_;
  std::string file_;
  uint64_t number_ = 0;
  // Where the record that is being read started.
  std::optional<uint64_t> record_start_;
  // What is read of it, if its writes are checked.
  std::string record_;
  // The number of the next write.
  std::optional<uint64_t> next_sequence_;
  FirstCommits first_commits_;
  // There has been nothing but zeros from here on. Only while there is no damage.
  std::optional<uint64_t> zeros_from_;
  std::optional<WalDamage> damage_;
};

absl::Status SyncFolder(rocksdb::Env& env, const std::string& folder) {
  std::unique_ptr<rocksdb::Directory> directory;
  SKALD_RETURN_IF_ERROR(
      FromRocksDb(env.NewDirectory(folder, &directory), absl::StrCat("open ", folder)));
  return FromRocksDb(directory->Fsync(), absl::StrCat("sync ", folder));
}

// Hands the bytes of `file` from `offset` on to `take`, piece by piece.
absl::Status ReadTail(rocksdb::Env& env, const std::string& file, uint64_t offset,
                      absl::FunctionRef<absl::Status(absl::string_view)> take) {
  const std::string doing = absl::StrCat("read the torn tail of ", file);
  std::unique_ptr<rocksdb::SequentialFile> reader;
  SKALD_RETURN_IF_ERROR(
      FromRocksDb(env.NewSequentialFile(file, &reader, rocksdb::EnvOptions()), doing));
  SKALD_RETURN_IF_ERROR(FromRocksDb(reader->Skip(offset), doing));
  std::string scratch(kBlockBytes, '\0');
  while (true) {
    rocksdb::Slice bytes;
    SKALD_RETURN_IF_ERROR(FromRocksDb(reader->Read(scratch.size(), &bytes, scratch.data()), doing));
    if (bytes.empty()) return absl::OkStatus();
    SKALD_RETURN_IF_ERROR(take(FromSlice(bytes)));
  }
}

// The bytes of `file` from `offset` to the last that is not zero.
absl::StatusOr<uint64_t> TailBytes(rocksdb::Env& env, const std::string& file, uint64_t offset) {
  uint64_t read = 0;
  uint64_t bytes = 0;
  SKALD_RETURN_IF_ERROR(ReadTail(env, file, offset, [&](absl::string_view piece) {
    const size_t last = piece.find_last_not_of('\0');
    if (last != absl::string_view::npos) bytes = read + last + 1;
    read += piece.size();
    return absl::OkStatus();
  }));
  return bytes;
}

// Copies `count` bytes of `file` from `offset` on to `copy`, durably.
absl::Status CopyTail(rocksdb::Env& env, const std::string& file, uint64_t offset, uint64_t count,
                      const std::string& copy) {
  const std::string doing = absl::StrCat("copy the torn tail of ", file);
  std::unique_ptr<rocksdb::WritableFile> writer;
  SKALD_RETURN_IF_ERROR(
      FromRocksDb(env.NewWritableFile(copy, &writer, rocksdb::EnvOptions()), doing));
  SKALD_RETURN_IF_ERROR(ReadTail(env, file, offset, [&](absl::string_view piece) {
    piece = piece.substr(0, std::min<uint64_t>(count, piece.size()));
    count -= piece.size();
    return FromRocksDb(writer->Append(ToSlice(piece)), doing);
  }));
  SKALD_RETURN_IF_ERROR(FromRocksDb(writer->Sync(), doing));
  return FromRocksDb(writer->Close(), doing);
}

// Cuts `bytes` and the zeros behind them off.
absl::StatusOr<TornTail> Cut(rocksdb::Env& env, const std::string& file, uint64_t offset,
                             uint64_t bytes) {
  const std::string doing = absl::StrCat("cut the torn tail of ", file);
  TornTail tail{.file = file, .offset = offset, .bytes_cut = bytes, .copy = file + ".torn"};
  SKALD_RETURN_IF_ERROR(CopyTail(env, file, offset, bytes, tail.copy));
  std::unique_ptr<rocksdb::WritableFile> writer;
  SKALD_RETURN_IF_ERROR(
      FromRocksDb(env.ReopenWritableFile(file, &writer, rocksdb::EnvOptions()), doing));
  SKALD_RETURN_IF_ERROR(FromRocksDb(writer->Truncate(offset), doing));
  // The new length must be durable before RocksDB starts the next file: otherwise the tail could
  // come back with records after it, and would look like lost data.
  SKALD_RETURN_IF_ERROR(FromRocksDb(writer->Fsync(), doing));
  SKALD_RETURN_IF_ERROR(FromRocksDb(writer->Close(), doing));
  return tail;
}

}  // namespace

absl::Status LostDataError(const WalDamage& damage) {
  if (damage.IsGap()) {
    return absl::DataLossError(
        absl::StrCat("acknowledged data is lost: records are missing before ", damage.place.file,
                     ", byte ", damage.place.offset, ": ", damage.what));
  }
  return absl::DataLossError(absl::StrCat(
      "acknowledged data is lost: ", damage.place.file, " is damaged at byte ", damage.place.offset,
      " (", damage.what, ") and has records after it, the next in ", damage.followed_by->file,
      " at byte ", damage.followed_by->offset));
}

absl::Status NoWalError(const std::string& folder) {
  return absl::DataLossError(
      absl::StrCat("acknowledged data is lost: there is no write-ahead file in ", folder,
                   ", and a store always has one, with its newest commits"));
}

absl::StatusOr<std::vector<std::string>> ListWalFiles(rocksdb::Env& env,
                                                      const std::string& folder) {
  std::vector<std::string> names;
  SKALD_RETURN_IF_ERROR(
      FromRocksDb(env.GetChildren(folder, &names), absl::StrCat("list ", folder)));
  std::vector<std::pair<uint64_t, std::string>> numbered;
  for (const std::string& name : names) {
    const std::optional<uint64_t> number = WalNumber(name);
    if (number.has_value()) numbered.emplace_back(*number, absl::StrCat(folder, "/", name));
  }
  std::sort(numbered.begin(), numbered.end());
  std::vector<std::string> files;
  for (auto& [number, file] : numbered) files.push_back(std::move(file));
  return files;
}

absl::StatusOr<std::optional<WalDamage>> ScanWal(rocksdb::Env& env,
                                                 const std::vector<std::string>& files,
                                                 const std::optional<WalStart>& start) {
  Scanner scanner(env, start);
  for (const std::string& file : files) {
    SKALD_RETURN_IF_ERROR(scanner.ScanFile(file));
    if (scanner.done()) break;
  }
  return std::move(scanner).damage();
}

absl::StatusOr<std::string> ManifestFile(rocksdb::Env& env, const std::string& folder) {
  std::string name;
  SKALD_RETURN_IF_ERROR(FromRocksDb(rocksdb::ReadFileToString(&env, folder + "/CURRENT", &name),
                                    absl::StrCat("read ", folder, "/CURRENT")));
  absl::StripTrailingAsciiWhitespace(&name);
  if (!IsManifestName(name)) {
    return absl::DataLossError(
        absl::StrCat(folder, "/CURRENT is damaged: it does not name a list of tables"));
  }
  const std::string file = absl::StrCat(folder, "/", name);
  if (env.FileExists(file).ok()) return file;
  return absl::DataLossError(absl::StrCat(folder, "/CURRENT names ", name, ", which is not there"));
}

absl::StatusOr<std::vector<TornTail>> CutTornTail(rocksdb::Env& env, const std::string& folder,
                                                  const std::vector<std::string>& files,
                                                  const WalDamage& damage) {
  std::vector<TornTail> cuts;
  // Files after the damaged one hold nothing valid: cut them whole, the last first, so that a crash
  // in between leaves the same decision to the next start.
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    const uint64_t from = *file == damage.place.file ? damage.record_offset : 0;
    SKALD_ASSIGN_OR_RETURN(const uint64_t bytes, TailBytes(env, *file, from));
    if (bytes > 0) {
      SKALD_ASSIGN_OR_RETURN(TornTail cut, Cut(env, *file, from, bytes));
      cuts.push_back(std::move(cut));
    }
    if (*file == damage.place.file) break;
  }
  SKALD_RETURN_IF_ERROR(SyncFolder(env, folder));
  return cuts;
}

}  // namespace skald::storage
