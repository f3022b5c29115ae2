// Goal: a model's rows follow from the log alone. Method: random logs by seed, folded in one round, in
// random rounds, without any state kept in memory, and naively; as-of reads against a fold that ends
// there; what watchers are told against the rows. SKALD_SEED=N plays that seed, SKALD_SEEDS=N that
// many from there.
#include <cstdlib>
#include <map>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/check.h"
#include "base/json_order.h"
#include "engine/definition/compile.h"
#include "engine/projection/declared_model.h"
#include "engine/projection/fold_pass.h"
#include "engine/projection/index_sums.h"
#include "engine/projection/models/built_in.h"
#include "engine/projection/table_keys.h"
#include "engine/projection/time_text.h"
#include "engine/saga/evolve.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/memory/memory_views.h"
#include "tests/engine/partition/definitions_in_tests.h"
#include "tests/engine/projection/random_log.h"
#include "tests/support/status_matchers.h"

namespace skald::projection {
namespace {

using ::skald::testing::RandomLog;
using Rows = std::map<std::string, std::string>;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

// Counts events by kind, keeps every version, and drops a row at each fifth event of its kind.
class KindsFold final : public ModelFold {
 public:
  absl::Status Fold(const FoldedEvent& event, RowWriter& rows) override {
    const Json kind = Json::Int(event.event.kind_case());
    const std::string key = EncodeRowKey(Schema(), Json::Object({{"kind", kind}}));
    const absl::StatusOr<std::optional<Json>> row = rows.Get(key);
    if (!row.ok()) return row.status();
    const int64_t count = *row ? (*row)->Get("count").AsInt() + 1 : 1;
    if (count == 5) {
      rows.Delete(key);
    } else {
      rows.Put(Json::Object({{"kind", kind},
                             {"count", Json::Int(count)},
                             {"position", Json::Int(static_cast<int64_t>(event.position.value()))}}));
    }
    return absl::OkStatus();
  }

  static const ModelSchema& Schema() {
    static const auto* const schema = [] {
      auto* made = new ModelSchema;
      made->name = "kinds";
      made->columns = {{"kind", ColumnType::kInteger, "", {}}, {"count", ColumnType::kInteger, "", {}}};
      made->indexes = {{"count", {"count"}}};
      made->history = true;
      return made;
    }();
    return *schema;
  }
};

// Numbers that JSON has no text for, in values that are added up and in indexes.
Model OddModel() {
  const CompiledModel compiled = CompileModel(R"(
model: odd
events: [{}]
key: .type, [infinite, -infinite, 1][.revision % 3]
init: { count: 0, last: 0, sum: 0 }
reduce: |
  [nan, 1, infinite, 2, -infinite, 3][$event.position % 6] as $number
  | if .count == 5 then null else .count += 1 | .last = $number | .sum += $number end
columns:
  last: { type: number }
  sum: { type: number }
indexes: [last, [sum, last]]
history: true
)");
  SKALD_CHECK(compiled.ok());
  return MakeModel(compiled.declaration);
}

using Models = std::vector<std::shared_ptr<const Model>>;

// The built-in models first. Whatever the sagas' definition is, its attributes are these or none.
Models AllModels(bool with_attributes = true) {
  static constexpr absl::string_view kPlain = R"(
document:
  dsl: '1.0.3'
  namespace: test
  name: attributed
  version: '1.0.0'
do:
  - nothing: { set: { a: 1 } }
)";
  static constexpr absl::string_view kAttributes = R"(
  metadata:
    skald:
      attributes:
        phase: ${ if $output == null then "open" else "ended" end }
        context: ${ $context }
        output: ${ $output | if . == null then . else tojson end }
        nothing: ${ if $output == null then nan else 1 end }
        most: ${ if $output == null then infinite else nan end }
do:)";
  const std::shared_ptr<const definition::Program> program =
      definition::Compile(with_attributes ? absl::StrReplaceAll(kPlain, {{"\ndo:", kAttributes}})
                                          : std::string(kPlain))
          .program;
  SKALD_CHECK(program != nullptr);
  Models models = BuiltInModels([program](absl::string_view) { return program; });
  models.push_back(std::make_shared<const Model>(OddModel()));
  Model kinds{.schema = KindsFold::Schema(), .version = "1"};
  kinds.make_fold = [] { return std::make_unique<KindsFold>(); };
  models.push_back(std::make_shared<const Model>(std::move(kinds)));
  return models;
}

class Folder {
 public:
  Folder(RandomLog& log, size_t states_bytes_max, Models models = AllModels())
      : log_(log), states_bytes_max_(states_bytes_max), models_(std::move(models)) {
    Checkpoint none;
    none.cut = Cut{Timestamp(0), std::vector<Position>(RandomLog::kPartitions)};
    Begin(std::vector<Checkpoint>(models_.size(), none));
    for (uint32_t id = 0; id < RandomLog::kPartitions; ++id) {
      through_.push_back(log.log().LastPosition(PartitionId(id)));
    }
  }

  // As after a restart: all there is stands in views. Precondition: a round has been.
  void Reopen() {
    std::vector<Checkpoint> checkpoints;
    for (size_t i = 0; i < models_.size(); ++i) checkpoints.push_back(Open(i)->checkpoint());
    Begin(checkpoints);
  }
  RoundResult Round(uint64_t events_max, bool with_deltas = false,
                    uint64_t bytes_max = ~uint64_t{0}) {
    absl::StatusOr<RoundResult> result = pass_->Round({.through = through_,
                                                       .until = kNever,
                                                       .time = log_.world().clock().Now(),
                                                       .events_max = events_max,
                                                       .bytes_max = bytes_max},
                                                      with_deltas);
    EXPECT_OK(result);
    return result.ok() ? *std::move(result) : RoundResult{.is_complete = true};
  }
  void All() {
    while (!Round(~uint64_t{0}).is_complete) {
    }
  }

  Rows Table(storage::Table table) {
    Rows rows;
    const std::string prefix = storage::KeyBuilder(table, PartitionId(0)).Build();
    EXPECT_OK(views_.Scan(prefix, storage::PrefixEnd(prefix),
                          [&](absl::string_view key, absl::string_view value) {
                            rows.emplace(key, value);
                            return true;
                          }));
    return rows;
  }
  std::unique_ptr<TableRows> Open(size_t model, std::optional<Stamp> as_of = std::nullopt) {
    absl::StatusOr<std::unique_ptr<TableRows>> rows = TableRows::Open(
        views_.Snapshot(), std::make_shared<const ModelSchema>(models_[model]->schema), model + 1,
        as_of);
    EXPECT_OK(rows);
    return *std::move(rows);
  }
  static Rows RowsOf(const TableRows& table, bool descending = false) {
    Rows rows;
    EXPECT_OK(table.Scan({.descending = descending}, [&](const Row& row) {
      rows.emplace(row.key, row.value.ToText());
      return true;
    }));
    return rows;
  }
  FoldPass& pass() { return *pass_; }
  storage::Views& views() { return views_; }
  size_t model_count() const { return models_.size(); }

 private:
  void Begin(const std::vector<Checkpoint>& checkpoints) {
    pass_ = std::make_unique<FoldPass>(
        FoldPass::Options{
            .log = &log_.log(),
            .views = &views_,
            .find_commits = [this](const SagaKey& key, Revision) { return log_.CommitsOf(key); },
            .states_bytes_max = states_bytes_max_},
        checkpoints[0].cut);
    for (size_t i = 0; i < models_.size(); ++i) {
      Folding folding{models_[i], models_[i]->make_fold(), nullptr};
      folding.table =
          std::make_unique<ModelTable>(views_, models_[i]->schema, i + 1, checkpoints[i]);
      pass_->Add(std::move(folding));
    }
  }

  RandomLog& log_;
  const size_t states_bytes_max_;
  const Models models_;
  storage::MemoryViews views_;
  std::unique_ptr<FoldPass> pass_;
  std::vector<Position> through_;
};

void ExpectSame(Folder& a, Folder& b) {
  for (const storage::Table table : {storage::Table::kModelRow, storage::Table::kModelIndex,
                                     storage::Table::kModelVersion}) {
    ASSERT_EQ(a.Table(table), b.Table(table));
  }
  for (size_t model = 0; model < a.model_count(); ++model) {
    const Checkpoint mine = a.Open(model)->checkpoint();
    const Checkpoint other = b.Open(model)->checkpoint();
    ASSERT_EQ(mine.cut.positions, other.cut.positions);
    ASSERT_EQ(mine.rows, other.rows);
    ASSERT_EQ(mine.hash, other.hash);
  }
}

// What the sagas' own states say.
void ExpectTrue(RandomLog& log, Folder& folder) {
  std::map<std::string, saga::SagaState> states;
  log::v1::EventBodies bodies;
  for (uint32_t id = 0; id < RandomLog::kPartitions; ++id) {
    const auto cursor = log.log().Read(PartitionId(id), Position(1));
    for (; cursor->Valid(); cursor->Next()) {
      const auto commit = storage::DecodeCommit(cursor->record());
      if (commit->header.saga_id().empty()) continue;
      std::vector<Json> slots;
      for (const absl::string_view text : commit->slots) slots.push_back(*Json::Parse(text));
      ASSERT_TRUE(bodies.ParseFromArray(commit->bodies.data(), static_cast<int>(commit->bodies.size())));
      for (int i = 0; i < bodies.events_size(); ++i) {
        saga::Evolve(bodies.events(i),
                     {commit->header, Revision(commit->header.first_revision()).Plus(i),
                      cursor->first().Plus(i), slots},
                     states[commit->header.saga_id()]);
      }
    }
  }
  std::map<std::string, Json> sagas;
  ASSERT_OK(folder.Open(0)->Scan({}, [&](const Row& row) {
    sagas.emplace(row.value.Get("saga_id").AsString(), row.value);
    return true;
  }));
  ASSERT_EQ(sagas.size(), states.size());
  size_t incidents = 0;
  std::map<std::string, int64_t> by_status;
  for (const auto& [id, state] : states) {
    const saga::SagaView view = saga::ViewOf(state);
    const Json& row = sagas[id];
    ASSERT_EQ(row.Get("status").AsString(), saga::StatusName(view.status)) << id;
    ASSERT_EQ(row.Get("revision").AsInt(), static_cast<int64_t>(view.revision.value())) << id;
    ASSERT_EQ(row.Get("updated"), TimeJson(view.updated)) << id;
    ASSERT_EQ(row.Get("ended").is_null(), !view.ended.has_value()) << id;
    ASSERT_EQ(row.Get("tasks").Size(), view.active.size()) << id;
    ASSERT_EQ(row.Get("incidents").AsInt(), static_cast<int64_t>(view.incidents.size())) << id;
    incidents += view.incidents.size();
    ++by_status[std::string(saga::StatusName(view.status))];
  }
  ASSERT_EQ(*folder.Open(1)->Count(), incidents);
  size_t phases = 0;
  ASSERT_OK(folder.Open(4)->Scan({}, [&](const Row& row) {
    phases += row.value.Get("attribute").AsString() == "phase" ? 1 : 0;
    const Json& attributes = sagas[std::string(row.value.Get("saga_id").AsString())].Get("attributes");
    EXPECT_EQ(attributes.Get(row.value.Get("attribute").AsString()), row.value.Get("value"));
    return true;
  }));
  ASSERT_EQ(phases, states.size());
  ASSERT_OK(folder.Open(2)->Scan({}, [&](const Row& row) {
    EXPECT_EQ(row.value.Get("total").AsInt(), static_cast<int64_t>(states.size()));
    for (const auto& [status, count] : by_status) EXPECT_EQ(row.value.Get(status).AsInt(), count);
    return true;
  }));
}

void ExpectHashesRight(Folder& folder) {
  for (size_t model = 0; model < folder.model_count(); ++model) {
    const auto rows = folder.Open(model);
    const auto sum = HashRows(*folder.views().Snapshot(), model + 1, [] { return false; });
    ASSERT_OK(sum);
    EXPECT_EQ(sum->first, rows->checkpoint().rows);
    EXPECT_EQ(sum->second, rows->checkpoint().hash);
    EXPECT_EQ(*rows->Count(), Folder::RowsOf(*rows).size());
    EXPECT_EQ(Folder::RowsOf(*rows, true), Folder::RowsOf(*rows));
    const auto difference =
        IndexDifference(*folder.views().Snapshot(), model + 1,
                        std::make_shared<const ModelSchema>(rows->schema()), [] { return false; });
    ASSERT_OK(difference);
    EXPECT_EQ(*difference, "") << rows->schema().name;
  }
}

// A model that is folded by itself has the rows that it has beside one that reads all payloads.
void ExpectSameAlone(RandomLog& log, bool with_attributes) {
  const Models models = AllModels(with_attributes);
  Folder together(log, 1 << 20, models);
  together.All();
  for (size_t i = 0; i < models.size(); ++i) {
    SCOPED_TRACE(models[i]->schema.name);
    Folder alone(log, 1 << 20, {models[i]});
    alone.All();
    ASSERT_EQ(Folder::RowsOf(*alone.Open(0)), Folder::RowsOf(*together.Open(i)));
    ASSERT_EQ(alone.Open(0)->checkpoint().hash, together.Open(i)->checkpoint().hash);
  }
}

void PlayRounds(uint64_t seed) {
  std::mt19937_64 random(seed);
  RandomLog log(seed, 120);
  Folder whole(log, 1 << 20);
  whole.All();
  ExpectTrue(log, whole);
  ExpectHashesRight(whole);
  ExpectSameAlone(log, true);
  ExpectSameAlone(log, false);

  // In random rounds, keeping no state and now and then no rows; a watcher adds up what it is told.
  Folder pieces(log, 0);
  std::vector<Rows> told(pieces.model_count());
  while (true) {
    const uint64_t bytes_max = random() % 2 == 0 ? ~uint64_t{0} : random() % 4'000;
    const RoundResult round = pieces.Round(1 + random() % 30, true, bytes_max);
    for (size_t model = 0; model < told.size(); ++model) {
      for (const RowDelta& delta : round.deltas[model]) {
        const auto old = told[model].find(delta.key);
        ASSERT_EQ(old != told[model].end(), delta.before.has_value());
        if (delta.before) {
          ASSERT_EQ(old->second, delta.before->ToText());
        }
        if (delta.after) {
          told[model][delta.key] = delta.after->ToText();
        } else {
          told[model].erase(delta.key);
        }
      }
      ASSERT_EQ(told[model], Folder::RowsOf(*pieces.Open(model)));
    }
    if (round.is_complete) break;
    if (random() % 4 == 0) pieces.Reopen();
  }
  // Both came to the same end by other ways.
  ExpectSame(whole, pieces);
  ExpectHashesRight(pieces);

  // As of each commit: what a fold to there has.
  Folder steps(log, 1 << 20);
  const size_t kinds = steps.model_count() - 1;
  while (true) {
    const std::vector<Position> before = steps.pass().cut().positions;
    const bool is_complete = steps.Round(1).is_complete;
    std::optional<Stamp> stamp;
    for (uint32_t id = 0; id < RandomLog::kPartitions; ++id) {
      const Position now = steps.pass().cut().positions[id];
      if (now == before[id]) continue;
      const auto commit = storage::DecodeCommit(log.log().Read(PartitionId(id), now)->record());
      stamp = Stamp{Timestamp(commit->header.time_us()), PartitionId(id),
                    Position(commit->header.first_position())};
    }
    if (stamp && random() % 4 == 0) {
      const Rows expected = Folder::RowsOf(*steps.Open(kinds));
      const auto then = whole.Open(kinds, stamp);
      ASSERT_EQ(Folder::RowsOf(*then), expected);
      ASSERT_EQ(Folder::RowsOf(*then, true), expected);
      ASSERT_EQ(*then->Count(), expected.size());
      for (const auto& [key, text] : expected) ASSERT_EQ((**then->Get(key)).ToText(), text);
    }
    if (is_complete) break;
  }
}

TEST(FoldProperty, RowsFollowFromTheLogHoweverItIsDivided) {
  const uint64_t first = FromEnvironment("SKALD_SEED", 1);
  const uint64_t count = FromEnvironment("SKALD_SEEDS", std::getenv("SKALD_SEED") ? 1 : 60);
  for (uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE(absl::StrCat("SKALD_SEED=", seed));
    PlayRounds(seed);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

// A round is in memory until its end, with the states of its sagas. Method: small commits of sagas
// with much in their states, none of which is at hand.
TEST(FoldRound, EndsWhenItsCommitsAndStatesAreManyBytes) {
  constexpr int kSagas = 10;
  constexpr uint64_t kBytes = 100'000;
  RandomLog log(1, 0);
  skald::testing::PartitionWorld& world = log.world();
  const auto do_all = [&](const auto& command) {
    for (int i = 0; i < kSagas; ++i) {
      const std::string id = absl::StrCat("s", i);
      const auto reply = world.Submit(command(id), RandomLog::PartitionOf(id));
      world.Settle();
      ASSERT_OK(**reply);
    }
  };
  world.MustDeploy(skald::testing::kOrder);
  do_all([](const std::string& id) {
    saga::Command command = skald::testing::PartitionWorld::Start(id, "order");
    std::get<saga::StartSaga>(command.request).input =
        saga::Payload::Of(Json::Object({{"text", Json::String(std::string(kBytes, 'a'))}}));
    return command;
  });
  const std::vector<Position> started = log.log().LastPositions();
  world.Advance(kSecond);
  do_all([](const std::string& id) {
    return skald::testing::PartitionWorld::Make(id, saga::SuspendSaga{});
  });
  Folder whole(log, 1 << 20);
  whole.All();
  Folder pieces(log, 0);
  const auto rounds = [&](uint64_t events) {
    int count = 0;
    for (bool is_complete = false; !is_complete && events > 0; ++count) {
      const RoundResult round = pieces.Round(events, false, 3 * kBytes);
      events -= round.events;
      is_complete = round.is_complete;
    }
    return count;
  };
  uint64_t events = 0;
  for (const Position position : started) events += position.value();
  EXPECT_GE(rounds(events), 3) << "starts, with their inputs";
  EXPECT_GE(rounds(~uint64_t{0}), 3) << "small commits of sagas with large states";
  ExpectSame(whole, pieces);
}

}  // namespace
}  // namespace skald::projection
