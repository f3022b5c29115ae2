#include "engine/audit/checkpoint_journal.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "engine/audit/note.h"

namespace skald::audit {
namespace {

constexpr absl::string_view kWord = "checkpoint ";
constexpr char kTimeFormat[] = "%Y-%m-%dT%H:%M:%E6SZ";
constexpr mode_t kMode = S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH;

absl::Status FileError(absl::string_view what, const std::string& path) {
  return absl::UnavailableError(absl::StrCat(what, " ", path, ": ", std::strerror(errno)));
}

absl::Status SyncFolderOf(const std::string& path) {
  const std::string folder = std::filesystem::absolute(path).parent_path().string();
  const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = opened >= 0 && ::fsync(opened) == 0;
  const absl::Status status = synced ? absl::OkStatus() : FileError("sync", folder);
  if (opened >= 0) ::close(opened);
  return status;
}

std::string TimeText(Timestamp time) {
  return absl::FormatTime(kTimeFormat, absl::FromUnixMicros(time.value()), absl::UTCTimeZone());
}

// A record, up to and with the empty line after its note. Empty when `text` holds no whole one.
absl::string_view FirstRecord(absl::string_view text) {
  // The head, three lines, an empty one, signatures, an empty one.
  size_t at = 0;
  for (int line = 0;; ++line) {
    const size_t end = text.find('\n', at);
    if (end == absl::string_view::npos) return {};
    const bool is_empty = end == at;
    at = end + 1;
    if (is_empty && line > 4) return text.substr(0, at);
  }
}

// INVALID_ARGUMENT says what is wrong.
absl::StatusOr<KeptCheckpoint> ParseRecord(absl::string_view record, absl::string_view store_name,
                                           Hash* previous) {
  const auto wrong = [](absl::string_view what) { return absl::InvalidArgumentError(what); };
  const size_t head_end = record.find('\n');
  const std::vector<absl::string_view> words = absl::StrSplit(record.substr(0, head_end), ' ');
  KeptCheckpoint kept;
  absl::Time time;
  std::string problem;
  if (words.size() != 4 || absl::StrCat(words[0], " ") != std::string(kWord) ||
      !absl::SimpleAtoi(words[1], &kept.number) ||
      !absl::ParseTime(kTimeFormat, words[2], &time, &problem)) {
    return wrong("its first line is not \"checkpoint NUMBER TIME DIGEST\"");
  }
  kept.time = Timestamp(absl::ToUnixMicros(time));
  const std::optional<Hash> digest = Hash::FromBase64(words[3]);
  if (!digest) return wrong("its first line does not end with a digest");
  *previous = *digest;
  // Without the empty line at the end.
  kept.note = std::string(record.substr(head_end + 1, record.size() - head_end - 2));
  SKALD_ASSIGN_OR_RETURN(const Note note, ParseNote(kept.note));
  SKALD_ASSIGN_OR_RETURN(kept.checkpoint, Checkpoint::Parse(note.text));
  SKALD_ASSIGN_OR_RETURN(const Origin origin, ParseOrigin(kept.checkpoint.origin));
  if (origin.store_name != store_name) {
    return wrong(absl::StrCat("it is of ", origin.store_name, ", another store"));
  }
  kept.partition = origin.partition;
  return kept;
}

std::string MakeRecord(uint64_t number, Timestamp now, const Hash& previous,
                       const std::string& note) {
  return absl::StrCat(kWord, number, " ", TimeText(now), " ", previous.ToBase64(), "\n", note,
                      "\n");
}

void Ignore(const KeptCheckpoint&) {}

}  // namespace

std::string JournalPath(absl::string_view data_dir) {
  return absl::StrCat(data_dir, "/audit_checkpoints");
}

// ---- Opening ----

absl::StatusOr<std::unique_ptr<CheckpointJournal>> CheckpointJournal::Open(
    CheckpointJournalOptions options, std::vector<std::string>* notices) {
  std::unique_ptr<CheckpointJournal> journal(new CheckpointJournal(std::move(options)));
  MutexLock lock(journal->mu_);
  SKALD_RETURN_IF_ERROR(journal->Load(notices));
  return journal;
}

CheckpointJournal::~CheckpointJournal() {
  if (file_ >= 0) ::close(file_);
}

std::string CheckpointJournal::PathOf(Part part) const {
  return part == kPresent ? options_.path : options_.path + ".old";
}

// Nothing: there is no such file.
absl::StatusOr<std::optional<std::string>> CheckpointJournal::ReadPart(Part part) const {
  if (options_.path.empty()) return std::optional<std::string>(memory_[part]);
  const std::string path = PathOf(part);
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) return std::optional<std::string>();
  if (file < 0) return FileError("open", path);
  std::string text;
  char buffer[64 << 10];
  ssize_t got = 0;
  while ((got = ::read(file, buffer, sizeof(buffer))) > 0) {
    text.append(buffer, static_cast<size_t>(got));
  }
  const absl::Status status = got < 0 ? FileError("read", path) : absl::OkStatus();
  ::close(file);
  SKALD_RETURN_IF_ERROR(status);
  return std::optional<std::string>(std::move(text));
}

CheckpointJournal::Content CheckpointJournal::ParsePart(
    Part part, absl::string_view text, const JournalEnd& before,
    absl::FunctionRef<void(const KeptCheckpoint&)> visit) const {
  Content content{.entries = {}, .end = before, .bytes = 0, .is_torn = false, .damage = {}};
  const auto damaged = [&](absl::string_view what) {
    content.damage =
        absl::DataLossError(absl::StrCat(PathOf(part), ", byte ", content.bytes,
                                         " (after checkpoint ", content.end.number, "): ", what));
  };
  while (content.bytes < text.size()) {
    const absl::string_view record = FirstRecord(text.substr(content.bytes));
    if (record.empty()) {
      content.is_torn = true;
      break;
    }
    Hash previous;
    absl::StatusOr<KeptCheckpoint> kept = ParseRecord(record, options_.store_name, &previous);
    if (!kept.ok()) {
      damaged(kept.status().message());
      break;
    }
    // The first record of an old file follows one that was dropped.
    const bool is_first = part == kOld && content.bytes == 0;
    if (!is_first && kept->number != content.end.number + 1) {
      damaged(absl::StrCat("here is checkpoint ", kept->number,
                           ": others are missing, repeated or out of order"));
      break;
    }
    if (!is_first && previous != content.end.digest) {
      damaged(absl::StrCat("checkpoint ", kept->number,
                           " does not follow on what stands before it: one of them was changed"));
      break;
    }
    content.entries.push_back({.number = kept->number,
                               .partition = kept->partition,
                               .size = kept->checkpoint.tree.size,
                               .part = part,
                               .offset = content.bytes,
                               .length = record.size()});
    content.end = {.number = kept->number, .digest = Digest(record)};
    content.bytes += record.size();
    visit(*kept);
  }
  return content;
}

absl::Status CheckpointJournal::Load(std::vector<std::string>* notices) {
  end_ = {.number = 0, .digest = EmptyRoot()};
  if (options_.path.empty()) return absl::OkStatus();
  SKALD_ASSIGN_OR_RETURN(const std::optional<std::string> old, ReadPart(kOld));
  if (old) {
    Content content = ParsePart(kOld, *old, end_, Ignore);
    if (content.is_torn) {
      content.damage = absl::DataLossError(absl::StrCat(PathOf(kOld), ", byte ", content.bytes,
                                                        ": its last checkpoint is not whole"));
    }
    damage_ = content.damage;
    end_ = content.end;
    TakeEntries(kOld, std::move(content.entries));
  }
  SKALD_ASSIGN_OR_RETURN(const std::optional<std::string> present, ReadPart(kPresent));
  existed_ = old || present;
  Content content = ParsePart(kPresent, present.value_or(""), end_, Ignore);
  damage_.Update(content.damage);
  if (!damage_.ok()) return absl::OkStatus();
  end_ = content.end;
  bytes_ = content.bytes;
  TakeEntries(kPresent, std::move(content.entries));
  if (options_.is_read_only) {
    if (!content.is_torn) return absl::OkStatus();
    notices->push_back(absl::StrCat(options_.path, ", byte ", bytes_,
                                    ": the last checkpoint was torn while it was written"));
    return absl::OkStatus();
  }
  file_ = ::open(options_.path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kMode);
  if (file_ < 0) return FileError("open", options_.path);
  if (content.is_torn) {
    if (::ftruncate(file_, static_cast<off_t>(bytes_)) != 0 || ::fsync(file_) != 0) {
      return FileError("cut", options_.path);
    }
    notices->push_back(absl::StrCat("cut ", present->size() - bytes_, " bytes off ", options_.path,
                                    " at byte ", bytes_,
                                    ": the last checkpoint was torn while it was written"));
  }
  return present ? absl::OkStatus() : SyncFolderOf(options_.path);
}

void CheckpointJournal::TakeEntries(Part part, std::vector<Entry> entries) {
  entries_.erase(std::remove_if(entries_.begin(), entries_.end(),
                                [part](const Entry& entry) { return entry.part == part; }),
                 entries_.end());
  entries_.insert(entries_.end(), entries.begin(), entries.end());
}

void CheckpointJournal::CheckEnd(const JournalEnd& known) {
  MutexLock lock(mu_);
  if (!damage_.ok() || known.number == 0 || known == end_) return;
  if (known.number > end_.number) {
    damage_ = absl::DataLossError(absl::StrCat(options_.path, ", byte ", bytes_,
                                               ": it ends with checkpoint ", end_.number, ", but ",
                                               known.number, " were kept: its end was cut off"));
    return;
  }
  for (const Entry& entry : entries_) {
    if (entry.number != known.number) continue;
    const absl::StatusOr<std::optional<std::string>> text = ReadPart(entry.part);
    if (text.ok() && *text && Digest((*text)->substr(entry.offset, entry.length)) == known.digest) {
      return;
    }
    damage_ = absl::DataLossError(absl::StrCat(PathOf(entry.part), ", byte ", entry.offset,
                                               ": checkpoint ", entry.number,
                                               " is not the one that was kept"));
  }
}

absl::Status CheckpointJournal::damage() const {
  MutexLock lock(mu_);
  return damage_;
}

// ---- Keeping ----

absl::Status CheckpointJournal::Append(absl::Span<const NewCheckpoint> checkpoints, Timestamp now) {
  if (checkpoints.empty()) return absl::OkStatus();
  {
    MutexLock lock(mu_);
    SKALD_RETURN_IF_ERROR(damage_);
    if (bytes_ > 0 && bytes_ >= options_.file_bytes_max) SKALD_RETURN_IF_ERROR(Rotate());
    if (is_folder_sync_due_) {
      SKALD_RETURN_IF_ERROR(SyncFolderOf(options_.path));
      is_folder_sync_due_ = false;
    }
    std::string bytes;
    std::vector<Entry> added;
    JournalEnd end = end_;
    for (const NewCheckpoint& each : checkpoints) {
      const std::string record = MakeRecord(end.number + 1, now, end.digest, each.note);
      end = {.number = end.number + 1, .digest = Digest(record)};
      added.push_back({.number = end.number,
                       .partition = each.partition,
                       .size = each.checkpoint.tree.size,
                       .part = kPresent,
                       .offset = bytes_ + bytes.size(),
                       .length = record.size()});
      bytes += record;
    }
    SKALD_RETURN_IF_ERROR(Write(bytes));
    bytes_ += bytes.size();
    end_ = end;
    entries_.insert(entries_.end(), added.begin(), added.end());
  }
  MutexLock lock(listeners_mu_);
  for (const auto& [id, grown] : listeners_) grown();
  return absl::OkStatus();
}

absl::Status CheckpointJournal::Write(absl::string_view bytes) {
  if (options_.path.empty()) {
    memory_[kPresent].append(bytes.data(), bytes.size());
    return absl::OkStatus();
  }
  size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t count = ::write(file_, bytes.data() + written, bytes.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) break;
    written += static_cast<size_t>(count);
  }
  if (written == bytes.size() && ::fdatasync(file_) == 0) return absl::OkStatus();
  const absl::Status status = FileError("write", options_.path);
  // Half a record must not stand in the way of the next.
  if (::ftruncate(file_, static_cast<off_t>(bytes_)) != 0) {
    damage_ = absl::DataLossError(absl::StrCat(options_.path, ", byte ", bytes_,
                                               ": half a checkpoint stands here that could not be ",
                                               "taken away; the next start does that"));
  }
  return status;
}

absl::Status CheckpointJournal::Rotate() {
  if (options_.path.empty()) {
    memory_[kOld] = std::move(memory_[kPresent]);
    memory_[kPresent].clear();
  } else {
    if (::rename(PathOf(kPresent).c_str(), PathOf(kOld).c_str()) != 0) {
      return FileError("rename", options_.path);
    }
    const int file =
        ::open(options_.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, kMode);
    ::close(file_);
    file_ = file;
    if (file < 0) {
      const absl::Status status = FileError("create", options_.path);
      damage_ =
          absl::DataLossError(absl::StrCat(status.message(), "; the next start tries that again"));
      return status;
    }
    is_folder_sync_due_ = true;
  }
  // Whatever fails from here on: another rotation would put the empty file in the old one's place.
  TakeEntries(kOld, {});
  for (Entry& entry : entries_) entry.part = kOld;
  bytes_ = 0;
  return absl::OkStatus();
}

// ---- Reading ----

JournalEnd CheckpointJournal::end() const {
  MutexLock lock(mu_);
  return end_;
}

absl::StatusOr<KeptCheckpoint> CheckpointJournal::ReadEntry(const Entry& entry) const {
  std::string record(entry.length, '\0');
  if (options_.path.empty()) {
    record = memory_[entry.part].substr(entry.offset, entry.length);
  } else {
    const std::string path = PathOf(entry.part);
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const ssize_t got =
        file < 0 ? -1
                 : ::pread(file, record.data(), record.size(), static_cast<off_t>(entry.offset));
    const absl::Status status = got < 0 ? FileError("read", path) : absl::OkStatus();
    if (file >= 0) ::close(file);
    SKALD_RETURN_IF_ERROR(status);
    record.resize(static_cast<size_t>(got));
  }
  Hash previous;
  absl::StatusOr<KeptCheckpoint> kept = ParseRecord(record, options_.store_name, &previous);
  if (kept.ok() && kept->number == entry.number) return kept;
  return absl::DataLossError(absl::StrCat(PathOf(entry.part), ", byte ", entry.offset,
                                          ": checkpoint ", entry.number,
                                          " was changed after it was kept"));
}

absl::StatusOr<std::optional<KeptCheckpoint>> CheckpointJournal::Newest(
    PartitionId partition) const {
  MutexLock lock(mu_);
  SKALD_RETURN_IF_ERROR(damage_);
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if (entry->partition != partition) continue;
    SKALD_ASSIGN_OR_RETURN(KeptCheckpoint kept, ReadEntry(*entry));
    return std::optional<KeptCheckpoint>(std::move(kept));
  }
  return std::optional<KeptCheckpoint>();
}

absl::StatusOr<std::vector<KeptCheckpoint>> CheckpointJournal::List(
    std::optional<PartitionId> partition, uint64_t after, size_t count) const {
  MutexLock lock(mu_);
  SKALD_RETURN_IF_ERROR(damage_);
  std::vector<KeptCheckpoint> listed;
  auto entry = std::partition_point(entries_.begin(), entries_.end(),
                                    [after](const Entry& each) { return each.number <= after; });
  for (; entry != entries_.end() && listed.size() < count; ++entry) {
    if (partition && entry->partition != *partition) continue;
    SKALD_ASSIGN_OR_RETURN(KeptCheckpoint kept, ReadEntry(*entry));
    listed.push_back(std::move(kept));
  }
  return listed;
}

absl::Status CheckpointJournal::Scan(absl::FunctionRef<void(const KeptCheckpoint&)> visit) const {
  MutexLock lock(mu_);
  JournalEnd end{.number = 0, .digest = EmptyRoot()};
  uint64_t bytes = 0;
  for (const Part part : {kOld, kPresent}) {
    SKALD_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadPart(part));
    if (!text || (part == kOld && text->empty())) continue;
    const Content content = ParsePart(part, *text, end, visit);
    SKALD_RETURN_IF_ERROR(content.damage);
    end = content.end;
    bytes = content.bytes;
    // Who may not cut it off was told of it.
    if (content.is_torn && !options_.is_read_only) {
      return absl::DataLossError(absl::StrCat(PathOf(part), ", byte ", bytes,
                                              ": what stands after checkpoint ", end.number,
                                              " is not a whole one"));
    }
  }
  SKALD_RETURN_IF_ERROR(damage_);
  if (end.number < end_.number) {
    return absl::DataLossError(absl::StrCat(PathOf(kPresent), ", byte ", bytes,
                                            ": it ends with checkpoint ", end.number, ", but ",
                                            end_.number, " were kept: its end was cut off"));
  }
  if (end == end_) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(PathOf(kPresent), ", byte ", bytes,
                                          ": its last checkpoint, ", end.number,
                                          ", is not the one that was kept"));
}

// ---- Listeners ----

uint64_t CheckpointJournal::AddListener(std::function<void()> grown) {
  MutexLock lock(listeners_mu_);
  const uint64_t id = next_listener_++;
  listeners_.emplace(id, std::move(grown));
  return id;
}

void CheckpointJournal::RemoveListener(uint64_t id) {
  MutexLock lock(listeners_mu_);
  listeners_.erase(id);
}

}  // namespace skald::audit
