#include <iostream>
#include <memory>
#include <set>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/skald/read_flags.h"
#include "tools/skald/render.h"
#include "tools/skald/table.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

// Prints an answer as it comes: a table, CSV, or JSON objects.
class AnswerPrinter {
 public:
  AnswerPrinter(const Invocation& call, bool csv) : call_(call), csv_(csv) {}

  void SetColumns(const google::protobuf::RepeatedPtrField<v1::QueryColumn>& columns) {
    // Members of an object have one name each.
    std::set<std::string> taken;
    std::vector<Json> header;
    for (const v1::QueryColumn& column : columns) {
      std::string name = column.name();
      for (int i = 2; !taken.insert(name).second; ++i) name = absl::StrCat(column.name(), "_", i);
      names_.push_back(name);
      header.push_back(Json::String(name));
    }
    if (csv_) {
      call_.PrintLine(CsvLine(header));
    } else if (!call_.json()) {
      table_ = std::make_unique<Table>(names_, std::cout);
    }
  }

  void Print(const std::string& text) {
    const Json row = ParseOrText(text);
    if (!row.is_array()) return;
    const std::vector<Json> values(row.AsArray().begin(), row.AsArray().end());
    if (csv_) {
      std::cout << CsvLine(values) << "\n";
    } else if (table_ != nullptr) {
      table_->Add(values);
    } else {
      Json::ObjectBuilder object;
      for (size_t i = 0; i < names_.size() && i < values.size(); ++i) {
        object.Add(names_[i], values[i]);
      }
      std::cout << std::move(object).Build().ToText() << "\n";
    }
  }

  void Finish() {
    if (table_ != nullptr) table_->Finish();
    std::cout << std::flush;
  }

 private:
  const Invocation& call_;
  const bool csv_;
  std::vector<std::string> names_;
  std::unique_ptr<Table> table_;
};

void NoteStats(const Invocation& call, const v1::QueryStats& stats, bool wanted) {
  if (stats.truncated()) {
    call.Note(absl::StrCat("There are more: raise --limit (now ", stats.rows(), ")."));
  }
  if (!wanted) return;
  const absl::Duration elapsed =
      absl::Seconds(stats.elapsed().seconds()) + absl::Nanoseconds(stats.elapsed().nanos());
  call.Note(absl::StrCat(stats.rows(), " rows, ", stats.rows_looked_at(), " looked at, ",
                         DurationText(elapsed)));
  for (const v1::QuerySource& source : stats.sources()) {
    call.Note(absl::StrCat(source.model(), " as of ", CutToJson(source.cut()).ToText()));
  }
}

absl::StatusOr<std::string> ReadStatement(const std::string& word) {
  if (word == "-") return ReadFile("-");
  if (absl::StartsWith(word, "@")) return ReadFile(word.substr(1));
  return word;
}

int Run(Invocation& call) {
  v1::QueryRequest request;
  std::vector<std::string> parameters;
  int64_t limit = 10'000;
  bool csv = false;
  bool stats = false;
  ReadFlags read;
  call.flags()
      .Add("param", &parameters, "VALUE",
           "The value of the next ? in the statement: JSON, else a text; may be repeated.")
      .Add("limit", &limit, "COUNT", "At most this many rows.", 1, 1'000'000)
      .Add("csv", &csv, "Print CSV.")
      .Add("stats", &stats, "Tell how much was read, how long it took, and as of when.");
  read.AddTo(call.flags());
  if (auto exit = call.Parse({.words_min = 1, .words_max = 1})) return *exit;
  if (csv && call.json()) return call.BadUsage("--csv and --json exclude each other");
  absl::StatusOr<std::string> statement = ReadStatement(call.words()[0]);
  if (!statement.ok()) return call.FailWith(statement.status().message(), kExitUsage);
  request.set_statement(*std::move(statement));
  for (const std::string& parameter : parameters) {
    const Json value = parameter.empty() ? Json::String("") : ParseOrText(parameter);
    request.add_parameters(value.ToText());
  }
  request.set_rows_max(static_cast<uint32_t>(limit));
  if (auto wrong = read.Set(*request.mutable_options())) return call.BadUsage(*wrong);

  grpc::ClientContext context;
  call.Prepare(context);
  const auto stub = v1::ReadModelService::NewStub(call.channel());
  const auto reader = stub->Query(&context, request);
  AnswerPrinter printer(call, csv);
  v1::QueryResponse frame;
  v1::QueryStats last;
  for (bool first = true; reader->Read(&frame); first = false) {
    if (first) printer.SetColumns(frame.columns());
    for (const std::string& row : frame.rows()) printer.Print(row);
    if (frame.has_stats()) last = frame.stats();
  }
  printer.Finish();
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return call.Fail(status);
  NoteStats(call, last, stats);
  return kExitOk;
}

}  // namespace

const Verb kSqlVerb = {
    "sql", "ask read models in SQL", "STATEMENT | @FILE | -",
    "Runs one SELECT of SQL (SQLite's) and prints the answer: a table, with --csv CSV, with --json "
    "an\n"
    "object a row. Each read model is a table of its name, where dashes may be underscores. "
    "Nothing\n"
    "can be changed. Times are texts in RFC 3339: compare them with a date, or with utc('TIME').\n"
    "- reads the statement from standard input.\n\n"
    "Examples:\n"
    "  skald sql 'select status, count(*) from sagas group by status'\n"
    "  skald sql \"select saga_id, started from sagas where started >= '2026-01-01' order by started\"\n"
    "  skald sql 'select * from sagas where saga_id = ?' --param o-17 --json\n"
    "  skald sql @report.sql --csv > report.csv",
    Run};

}  // namespace skald::tools
