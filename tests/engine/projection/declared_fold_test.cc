// Goal: a declared model's rows are what its expressions say, of the events it names and no others;
// an event that fails leaves no trace and says why; how the log is divided makes no difference.
// Method: real histories of sagas, folded over rows in memory.
#include "engine/projection/declared_fold.h"

#include <algorithm>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "engine/saga/evolve.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/commit_record.h"
#include "tests/support/partition_world.h"
#include "tests/support/status_matchers.h"

namespace skald::projection {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::PartitionWorld;
using ::testing::SizeIs;

// Rows in memory. Like the projector's, it has those of the present round apart from the rest.
class MemoryRows : public RowWriter {
 public:
  explicit MemoryRows(const ModelSchema& schema) : schema_(schema) {}

  absl::StatusOr<std::optional<Json>> Get(absl::string_view key) override {
    if (!broken.ok()) return broken;
    for (const auto* const layer : {&round_, &rows_}) {
      if (const auto found = layer->find(std::string(key)); found != layer->end()) {
        return found->second;
      }
    }
    return std::nullopt;
  }
  absl::Status Scan(absl::string_view, absl::string_view,
                    absl::FunctionRef<bool(absl::string_view, const Json&)>) override {
    return absl::UnimplementedError("declared models look rows up by key");
  }
  void Put(Json row, RowHint hint) override {
    std::string key = EncodeRowKey(schema_, row);
    if (hint.is_new) {
      const auto there = Get(key);
      EXPECT_TRUE(there.ok() && !there->has_value()) << "a new row exists: " << row;
    }
    ++writes;
    round_[std::move(key)] = std::move(row);
  }
  void Delete(absl::string_view key) override {
    ++writes;
    round_[std::string(key)] = std::nullopt;
  }

  // What comes after reads the rows from their texts, as after a restart.
  void EndRound() {
    for (auto& [key, row] : round_) {
      if (row) {
        rows_[key] = Json::Parse(row->ToText()).value();
      } else {
        rows_.erase(key);
      }
    }
    round_.clear();
  }
  // Of ended rounds, in key order.
  std::vector<std::string> Texts() const {
    std::vector<std::string> texts;
    for (const auto& [key, row] : rows_) {
      texts.push_back(absl::StrCat(row->Get("key").ToText(), " ", row->Get("value").ToText()));
    }
    return texts;
  }

  absl::Status broken;
  size_t writes = 0;

 private:
  const ModelSchema schema_;
  std::map<std::string, std::optional<Json>> rows_, round_;
};

// An event with everything that a FoldedEvent points to.
struct OwnedEvent {
  PartitionId partition;
  Position position;
  Revision revision;
  log::v1::CommitHeader header;
  log::v1::Event event;
  std::vector<std::string> texts;
  std::vector<absl::string_view> views;
  std::vector<Json> slots;
  std::optional<saga::SagaState> saga;

  FoldedEvent Folded() const {
    return {.partition = partition,
            .position = position,
            .revision = revision,
            .header = header,
            .event = event,
            .slot_texts = views,
            .slots = slots,
            .saga = saga ? &*saga : nullptr};
  }
};

// All events of a world in merged order.
std::deque<OwnedEvent> ReadEvents(PartitionWorld& world, uint32_t partitions) {
  std::deque<OwnedEvent> events;
  for (uint32_t id = 0; id < partitions; ++id) {
    std::map<std::string, saga::SagaState> states;
    for (const auto cursor = world.log().Read(PartitionId(id), Position(1)); cursor->Valid();
         cursor->Next()) {
      const auto commit = storage::DecodeCommit(cursor->record());
      log::v1::EventBodies bodies;
      EXPECT_TRUE(bodies.ParseFromArray(commit->bodies.data(),
                                        static_cast<int>(commit->bodies.size())));
      for (int i = 0; i < bodies.events_size(); ++i) {
        const auto offset = static_cast<uint64_t>(i);
        OwnedEvent& event = events.emplace_back();
        event.partition = PartitionId(id);
        event.position = cursor->first().Plus(offset);
        event.revision = Revision(commit->header.first_revision() + offset);
        event.header = commit->header;
        event.event = bodies.events(i);
        for (const absl::string_view slot : commit->slots) {
          event.texts.emplace_back(slot);
          event.slots.push_back(Json::Parse(slot).value());
        }
        event.views.assign(event.texts.begin(), event.texts.end());
        if (commit->header.saga_id().empty()) continue;
        saga::SagaState& state = states[commit->header.saga_id()];
        saga::Evolve(event.event,
                     {.header = event.header,
                      .revision = event.revision,
                      .position = event.position,
                      .slots = event.slots},
                     state);
        event.saga = state;
      }
    }
  }
  std::stable_sort(events.begin(), events.end(), [](const OwnedEvent& a, const OwnedEvent& b) {
    return std::tuple(a.header.time_us(), a.partition) < std::tuple(b.header.time_us(), b.partition);
  });
  return events;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(absl::StrCat(SKALD_SOURCE_DIR, "/", path));
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

class DeclaredFoldTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kPartitions = 2;

  DeclaredFoldTest() {
    world_.Deploy(ReadFile("examples/orders/order.yaml"));
    world_.Settle();
  }

  void Submit(saga::Command command, uint32_t partition) {
    const auto reply = world_.Submit(std::move(command), PartitionId(partition));
    world_.Advance(kMillisecond);
    ASSERT_TRUE(reply->has_value());
    EXPECT_OK(**reply);
  }
  // Starts an order of some items ("sku", quantity).
  void Start(const std::string& id, const std::string& customer, int amount,
             const std::vector<std::pair<std::string, int>>& items) {
    Json::ArrayBuilder lines;
    for (const auto& [sku, quantity] : items) {
      lines.Add(Json::Object({{"sku", Json::String(sku)}, {"quantity", Json::Int(quantity)}}));
    }
    Json input = Json::Object(
        {{"orderId", Json::String(id)},
         {"customer", Json::Object({{"name", Json::String(customer)}})},
         {"items", std::move(lines).Build()},
         {"total", Json::Object({{"amount", Json::Int(amount)}})},
         {"payment", Json::Object({{"card", Json::String("tok")}})},
         {"shipping", Json::Object({{"carrier", Json::String("c")}, {"address", Json()}})}});
    saga::Command command;
    command.saga = {"shop", id};
    command.correlation_id = "c-" + id;
    command.actor = "ann";
    command.request = saga::StartSaga{.definition_name = "order",
                                      .definition_version = {},
                                      .input = saga::Payload::Of(std::move(input))};
    Submit(std::move(command), PartitionOf(id));
  }
  static uint32_t PartitionOf(const std::string& id) { return id.back() % kPartitions; }
  std::string TaskOfSaga(const std::string& id) {
    for (const auto& [name, task] : world_.outlet().ready) {
      if (task->token.saga.saga_id == id) return name;
    }
    return {};
  }
  // Answers an order's tasks until it ends; the charge is refused when told so.
  void Finish(const std::string& id, bool is_paid = true) {
    for (std::string name = TaskOfSaga(id); !name.empty(); name = TaskOfSaga(id)) {
      const bool fails = !is_paid && world_.outlet().ready[name]->function == "charge";
      Submit(fails ? world_.Fail(name, 402) : world_.Answer(name, R"({"done":true})"),
             PartitionOf(id));
    }
  }

  // Compiles a declaration of shop's orders with these lines.
  static std::shared_ptr<const Declaration> Declare(const std::string& lines) {
    const CompiledModel compiled = CompileModel(absl::StrCat("model: m\n", lines));
    EXPECT_OK(compiled.status());
    return compiled.declaration;
  }
  // Folds all events. `rounds` divides them: a new fold and a new round after each so many.
  std::vector<std::string> FoldAll(std::shared_ptr<const Declaration> declaration,
                                   const std::vector<size_t>& rounds = {}) {
    const Model model = MakeModel(std::move(declaration));
    MemoryRows rows(model.schema);
    std::unique_ptr<ModelFold> fold = model.make_fold();
    size_t in_round = 0, round = 0;
    for (const OwnedEvent& event : ReadEvents(world_, kPartitions)) {
      const absl::Status status = fold->Fold(event.Folded(), rows);
      if (!status.ok()) poison_.emplace_back(status.message());
      if (round < rounds.size() && ++in_round == rounds[round]) {
        rows.EndRound();
        fold = model.make_fold();
        in_round = 0;
        ++round;
      }
    }
    rows.EndRound();
    return rows.Texts();
  }

  PartitionWorld world_{{.partitions = kPartitions}};
  std::vector<std::string> poison_;
};

TEST_F(DeclaredFoldTest, TheExamplesTellWhatCameOfOrders) {
  Start("o1", "Ada", 300, {{"MUG", 2}, {"BOOK", 1}});
  Start("o2", "Ada", 50, {{"MUG", 1}, {"MUG", 3}});
  Start("o3", "Bob", 70, {{"BOOK", 5}});
  Start("o4", "Eve", 10, {{"BOOK", 7}});
  Finish("o1");
  Finish("o2");
  Finish("o3", /*is_paid=*/false);
  Submit(world_.Answer(TaskOfSaga("o4")), PartitionOf("o4"));  // reserved, and on its way
  // Cancelled while its stock was being reserved, which was done nevertheless and is undone.
  Start("o5", "Eve", 10, {{"PEN", 4}});
  const std::string reserving = TaskOfSaga("o5");
  saga::Command cancel;
  cancel.saga = {"shop", "o5"};
  cancel.request = saga::CancelSaga{.reason = "", .compensate = {}};
  Submit(std::move(cancel), PartitionOf("o5"));
  Submit(world_.Answer(reserving), PartitionOf("o5"));
  const auto stock = CompileModel(ReadFile("examples/models/reserved-stock.yaml")).declaration;
  EXPECT_THAT(FoldAll(stock),
              ElementsAre(R"("BOOK" {"reserved":7,"sold":1})", R"("MUG" {"reserved":0,"sold":6})",
                          R"("PEN" {"reserved":4,"sold":0})"));
  Finish("o5");
  EXPECT_THAT(FoldAll(stock), ElementsAre(_, _, R"("PEN" {"reserved":0,"sold":0})"));
  const auto customers = CompileModel(ReadFile("examples/models/customer-orders.yaml")).declaration;
  EXPECT_THAT(
      FoldAll(customers),
      ElementsAre(HasSubstr(R"("Ada" {"completed":2,"failed":0,"total":350,"lastOrder":"o2")"),
                  HasSubstr(R"("Bob" {"completed":0,"failed":1,"total":0,"lastOrder":"o3")"),
                  HasSubstr(R"("Eve" {"completed":0,"failed":1,"total":0,"lastOrder":"o5")")));
  EXPECT_THAT(poison_, IsEmpty());
}

TEST_F(DeclaredFoldTest, ExpressionsSeeTheEventAndItsSaga) {
  Start("o1", "Ada", 300, {{"MUG", 2}});
  Finish("o1");
  const auto seen = [&](const std::string& type, const std::string& reduce) {
    return FoldAll(Declare(absl::StrCat("events: [{types: [", type, "]}]\nkey: .sagaId\nreduce: '",
                                        reduce, "'\n")));
  };
  EXPECT_THAT(seen("SagaStarted", "[$event.type, $event.task, $event.namespace, "
                                  "$event.correlationId, $event.actor, $event.revision, "
                                  "$event.definition, $event.data.input.orderId, $model, $key]"),
              ElementsAre(R"("o1" ["SagaStarted",null,"shop","c-o1","ann",0,)"
                          R"({"name":"order","version":"1.0.0"},"o1","m","o1"])"));
  EXPECT_THAT(seen("SagaCompleted", "[$saga.namespace, $saga.id, $saga.definition, $saga.version, "
                                    "$saga.status, $saga.input.orderId, $saga.output.orderId, "
                                    "$saga.error, $saga.correlationId]"),
              ElementsAre(R"("o1" ["shop","o1","order","1.0.0","completed","o1","o1",null,"c-o1"])"));
  // After the event: its revision is the saga's.
  EXPECT_THAT(seen("SagaCompleted", "[$saga.revision == $event.revision, $saga.updated == "
                                    "$event.time, ($event.time | length), $saga.started < "
                                    "$saga.updated]"),
              ElementsAre(R"("o1" [true,true,27,true])"));
  EXPECT_THAT(seen("SagaStarted", "$saga.status"), ElementsAre(HasSubstr("running")));
  EXPECT_THAT(FoldAll(Declare("events: [{types: [DefinitionDeployed]}]\nkey: .data.name\n"
                              "reduce: '[$saga, $event.definition, .] '\n")),
              ElementsAre(R"("order" [null,null,[null,null,null]])"));
}

TEST_F(DeclaredFoldTest, FiltersChooseEvents) {
  Start("o1", "Ada", 300, {{"MUG", 2}});
  Start("o2", "Bob", 300, {{"MUG", 2}});
  Finish("o1", /*is_paid=*/false);
  Finish("o2");
  const auto counted = [&](const std::string& filters, const std::string& where = "true") {
    const auto rows = FoldAll(Declare(absl::StrCat("events: ", filters, "\nwhere: '", where,
                                                   "'\nkey: $model\nreduce: . + 1\n")));
    return rows.empty() ? std::string("none") : rows[0].substr(4);
  };
  EXPECT_EQ(counted("[{types: [SagaStarted]}]"), "2");
  EXPECT_EQ(counted("[{types: [SagaStarted], namespace: elsewhere}]"), "none");
  EXPECT_EQ(counted("[{types: [SagaStarted], definition: other}]"), "none");
  EXPECT_EQ(counted("[{types: [SagaStarted]}, {types: [SagaCompleted, SagaFaulted]}]"), "4");
  EXPECT_EQ(counted("[{types: [SagaStarted]}, {}]", ".type == \"SagaStarted\""), "2");
  EXPECT_EQ(counted("[{types: [SagaStarted]}]", ".saga.input.customer.name == \"Ada\""), "1");
  EXPECT_EQ(counted("[{types: [SagaStarted]}]", "empty"), "none");
  // The undo's own call is not the task it undoes.
  EXPECT_EQ(counted("[{types: [TaskCompleted], task: reserveStock}]"), "2");
  EXPECT_EQ(counted("[{types: [TaskCompleted], task: /do/0/reserve/try/0/reserveStock}]"), "2");
  EXPECT_EQ(counted("[{types: [CompensationStepCompleted], task: reserveStock}]"), "1");
  EXPECT_EQ(counted("[{types: [TaskCompleted], task: compensate}]"), "1");
  EXPECT_EQ(counted("[{types: [SagaStarted], task: reserveStock}]"), "none");
}

TEST_F(DeclaredFoldTest, NullDeletesAndARowBeginsAnew) {
  Start("o1", "Ada", 1, {{"MUG", 2}});
  const auto declaration = Declare(
      "events: [{types: [SagaStarted, SagaCompleted]}]\nkey: $saga.id\n"
      "init: {open: 0}\nreduce: if $event.type == \"SagaStarted\" then .open += 1 else null end\n");
  EXPECT_THAT(FoldAll(declaration), ElementsAre(R"("o1" {"open":1})"));
  Finish("o1");
  EXPECT_THAT(FoldAll(declaration), IsEmpty());
  EXPECT_THAT(poison_, IsEmpty());
}

TEST_F(DeclaredFoldTest, KeysAreTouchedOnceAnEventWhateverTheirKind) {
  Start("o1", "Ada", 1, {{"MUG", 2}});
  EXPECT_THAT(FoldAll(Declare("events: [{types: [SagaStarted]}]\n"
                              "key: 1, \"1\", true, 1.0, \"1\", false\nreduce: . + 1\n")),
              ElementsAre("false 1", "true 1", "1 1", "\"1\" 1"));
}

// Nothing else could be read back.
TEST_F(DeclaredFoldTest, WhatJsonHasNoTextForIsKeptAsItIsWritten) {
  Start("o1", "Ada", 1, {{"MUG", 2}});
  Start("o2", "Ada", 1, {{"MUG", 2}});
  const auto fold = [&](const std::string& lines) {
    return FoldAll(Declare("events: [{types: [SagaStarted]}]\n" + lines));
  };
  EXPECT_THAT(
      fold("key: $model\ninit: {sum: 0}\nreduce: .sum += if .sum == 0 then nan else 5 end\n"),
      ElementsAre(R"("m" {"sum":5})"));
  EXPECT_THAT(fold("key: -infinite, infinite\nreduce: '[$key, ($key | isinfinite), .[2] + 1]'\n"),
              ElementsAre("-1.7976931348623157e+308 [-1.7976931348623157e+308,false,2]",
                          "1.7976931348623157e+308 [1.7976931348623157e+308,false,2]"));
  // A row whose value is null is none.
  EXPECT_THAT(fold("key: $saga.id\nreduce: if $key == \"o1\" then nan else 1 end\n"),
              ElementsAre(R"("o2" 1)"));
  EXPECT_THAT(poison_, IsEmpty());
}

TEST_F(DeclaredFoldTest, APoisonEventSaysWhyAndLeavesNoTrace) {
  Start("o1", "Ada", 1, {{"MUG", 2}});
  const auto poison = [&](const std::string& lines) {
    poison_.clear();
    EXPECT_THAT(FoldAll(Declare("events: [{types: [SagaStarted]}]\n" + lines)), IsEmpty());
    EXPECT_THAT(poison_, SizeIs(1)) << lines;
    return poison_.empty() ? std::string() : poison_[0];
  };
  const std::string message = poison("key: $saga.id\nreduce: .x.y = (1 | error)\n");
  EXPECT_THAT(message, HasSubstr("'reduce' (line 4, column 9 of the declaration) fails on "
                                 "SagaStarted at partition"));
  EXPECT_THAT(message, HasSubstr("(shop/o1, revision 0)"));
  EXPECT_THAT(poison("key: $saga.input.nobody\nreduce: '1'\n"), HasSubstr("it gives null"));
  EXPECT_THAT(poison("key: '[1]'\nreduce: '1'\n"), HasSubstr("it gives array"));
  EXPECT_THAT(poison("key: nan\nreduce: '1'\n"), HasSubstr("it gives not-a-number"));
  EXPECT_THAT(poison("key: '\"x\" * 2000'\nreduce: '1'\n"), HasSubstr("more than 1024 bytes"));
  EXPECT_THAT(poison("key: range(2000)\nreduce: '1'\n"), HasSubstr("more than 1000 keys"));
  EXPECT_THAT(poison("key: $saga.id\nreduce: empty\n"), HasSubstr("it gives nothing"));
  EXPECT_THAT(poison("key: $saga.id\nreduce: '\"\\u0001\" * 50000'\n"),
              HasSubstr("larger than 262144"));
  EXPECT_THAT(poison("key: $saga.id\nreduce: last(range(1000000))\n"), HasSubstr("'reduce'"));
  EXPECT_THAT(poison("where: .x | error\nkey: $saga.id\nreduce: '1'\n"), HasSubstr("'where'"));
  // The last key's row fails: the rows of the others are not written either.
  poison("key: 1, 2, 3\nreduce: if $key == 3 then error else $key end\n");
}

TEST_F(DeclaredFoldTest, RowsThatCannotBeReadAreNoPoison) {
  Start("o1", "Ada", 1, {{"MUG", 2}});
  const Model model =
      MakeModel(Declare("events: [{types: [SagaStarted]}]\nkey: .sagaId\nreduce: '1'\n"));
  MemoryRows rows(model.schema);
  rows.broken = absl::UnavailableError("the disk is gone");
  const auto fold = model.make_fold();
  absl::Status status;
  for (const OwnedEvent& event : ReadEvents(world_, kPartitions)) {
    status.Update(fold->Fold(event.Folded(), rows));
  }
  EXPECT_EQ(status, rows.broken);
  EXPECT_EQ(rows.writes, 0u);
}

// ---- Rounds ----

TEST_F(DeclaredFoldTest, RoundsMakeNoDifference) {
  std::mt19937 random(7);
  const std::vector<std::string> customers = {"Ada", "Bob", "Eve"};
  for (int i = 0; i < 30; ++i) {
    const std::string id = absl::StrCat("o", i);
    Start(id, customers[random() % 3], static_cast<int>(random() % 100),
          {{absl::StrCat("ITEM", random() % 4), static_cast<int>(1 + random() % 5)},
           {absl::StrCat("ITEM", random() % 4), 1}});
    if (random() % 4 != 0) Finish(id, random() % 3 != 0);
  }
  const auto last_touch = Declare(
      "events: [{}]\nkey: (.task // \"none\"), $saga.input.customer.name\n"
      "reduce: 'if (.count // 0) == 6 then null else {count: ((.count // 0) + 1), at: "
      "$event.revision} end'\n");
  const auto numbers = Declare(
      "events: [{}]\nkey: $saga.input.customer.name\ninit: {sum: 0}\n"
      "reduce: .sum += [1, nan, 2, infinite, 3, -infinite, 4][$event.position % 7]\n");
  for (const auto& declaration :
       {CompileModel(ReadFile("examples/models/reserved-stock.yaml")).declaration,
        CompileModel(ReadFile("examples/models/customer-orders.yaml")).declaration, last_touch,
        numbers}) {
    const std::vector<std::string> whole = FoldAll(declaration);
    EXPECT_THAT(whole, ::testing::Not(IsEmpty()));
    for (int trial = 0; trial < 20; ++trial) {
      std::vector<size_t> rounds;
      for (int i = 0; i < 2'000; ++i) rounds.push_back(1 + random() % (1 + trial * 5));
      EXPECT_EQ(FoldAll(declaration, rounds), whole) << "trial " << trial;
    }
  }
  EXPECT_THAT(poison_, IsEmpty());
}

}  // namespace
}  // namespace skald::projection
