// skald fsck: whether a store that is not running is whole.
#include <unistd.h>

#include <cstdio>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engine/runtime/store_check.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

using storage::StoreFinding;

// What is being read, on one line of a terminal that is written over.
class ProgressLine {
 public:
  ProgressLine() : is_shown_(::isatty(STDERR_FILENO) != 0) {}
  ~ProgressLine() { Clear(); }

  void Show(absl::string_view what) {
    const absl::Time now = absl::Now();
    if (!is_shown_ || now - shown_ < absl::Milliseconds(100)) return;
    shown_ = now;
    std::fprintf(stderr, "\r\033[Kreading %s", std::string(what).c_str());
    std::fflush(stderr);
  }
  void Clear() {
    if (is_shown_) std::fputs("\r\033[K", stderr);
  }

 private:
  const bool is_shown_;
  absl::Time shown_ = absl::InfinitePast();
};

absl::string_view SeverityName(StoreFinding::Severity severity) {
  return severity == StoreFinding::Severity::kDamage ? "damage" : "notice";
}

Json ToJson(const std::string& path, const runtime::StoreReport& report) {
  Json::ArrayBuilder findings;
  for (const StoreFinding& finding : report.findings) {
    findings.Add(std::move(Json::ObjectBuilder()
                               .Add("severity", Json::String(SeverityName(finding.severity)))
                               .Add("where", Json::String(finding.where))
                               .Add("what", Json::String(finding.what))
                               .Add("mend", Json::String(finding.mend)))
                     .Build());
  }
  const auto number = [](uint64_t value) { return Json::Int(static_cast<int64_t>(value)); };
  Json::ObjectBuilder object;
  object.Add("path", Json::String(path))
      .Add("whole", Json::Bool(report.is_whole()))
      .Add("store_id", Json::String(absl::BytesToHexString(report.store_id)))
      .Add("partitions", number(report.partitions))
      .Add("files", number(report.files))
      .Add("bytes", number(report.bytes))
      .Add("commits", number(report.commits))
      .Add("events", number(report.events))
      .Add("sagas", number(report.sagas))
      .Add("rows", number(report.rows))
      .Add("findings", std::move(findings).Build());
  return std::move(object).Build();
}

void PrintReport(const Invocation& call, const std::string& path,
                 const runtime::StoreReport& report) {
  for (const StoreFinding& finding : report.findings) {
    const bool is_damage = finding.severity == StoreFinding::Severity::kDamage;
    const absl::string_view name = SeverityName(finding.severity);
    call.PrintLine(absl::StrCat(is_damage ? call.style().Red(name) : call.style().Yellow(name),
                                ": ", finding.where, ": ", finding.what));
    if (!finding.mend.empty()) call.PrintLine(absl::StrCat("  to mend it: ", finding.mend));
  }
  call.PrintLine(absl::StrCat(
      report.is_whole() ? call.style().Green("whole") : call.style().Red("NOT WHOLE"), ": ", path,
      ", ", report.partitions, " partitions, ", report.commits, " commits, ", report.events,
      " events, ", report.sagas, " sagas, ", report.rows, " rows, ", report.files, " tables"));
}

int Run(Invocation& call) {
  if (auto exit = call.Parse({.words_min = 1, .words_max = 1})) return *exit;
  const std::string& path = call.words().front();
  ProgressLine line;
  const absl::StatusOr<runtime::StoreReport> report = runtime::CheckStore(
      {.path = path, .progress = [&](absl::string_view what) { line.Show(what); }});
  line.Clear();
  if (!report.ok()) return call.FailWith(report.status().message(), kExitUsage);
  if (call.json()) {
    call.PrintJson(ToJson(path, *report));
  } else {
    PrintReport(call, path, *report);
  }
  return report->is_whole() ? kExitOk : kExitError;
}

}  // namespace

const Verb kFsckVerb = {
    "fsck", "check every byte of a store that is not running", "FOLDER",
    "Reads a whole data directory and changes nothing: the tables, their lists and the write-ahead\n"
    "files; every commit of the log, its checksums, its place and its saga's revision; every row of\n"
    "the views, compared with a fold of the log; the audit trees, and the key. Says of everything\n"
    "that is wrong what it is, where, and how to mend it. The store must not be running: for one\n"
    "that is, there is `skald verify`.\n\n"
    "Examples:\n"
    "  skald fsck /var/lib/skald\n"
    "  skald fsck --json /var/lib/skald\n\n"
    "Exits with 0 when the store is whole (what the next start mends by itself is told as a\n"
    "notice), 1 when something is damaged, 2 when it cannot be examined: there is none, or it runs.",
    Run};

}  // namespace skald::tools
