// Goal: a declaration is read as written, and every mistake in it is told at once with its place and
// how to mend it. Method: small texts, whole and broken.
#include "engine/projection/declared_model.h"

#include <fstream>
#include <iterator>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "base/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace skald::projection {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kWhole[] = R"(model: customer-orders
description: What each customer ordered
events:
  - types: [SagaCompleted, TaskCompleted]
    namespace: shop
    definition: order
    task: charge
  - {}
where: .saga.status == "completed"
key: $saga.input.customer
init: {orders: 0, total: 0}
reduce: .orders += 1 | .total += $event.data.output.total
columns:
  total: {type: number}
  city: {type: text, path: address.city, description: Where they live}
indexes: [total, [city, total]]
history: true
onError: park
)";

// A sound declaration with one line put in place of the one that begins with `key`.
std::string With(absl::string_view key, absl::string_view line) {
  std::string text =
      "model: m\n"
      "events: [{}]\n"
      "key: $event.sagaId\n"
      "reduce: $event.revision\n";
  const size_t at = text.find(absl::StrCat(key, ":"));
  if (at == std::string::npos) return absl::StrCat(text, line, "\n");
  return text.replace(at, text.find('\n', at) - at, std::string(line));
}

std::vector<std::string> Errors(absl::string_view text) {
  std::vector<std::string> errors;
  for (const definition::Diagnostic& each : CompileModel(text).diagnostics) {
    errors.push_back(each.ToString());
  }
  return errors;
}

TEST(DeclaredModelTest, AWholeDeclarationIsReadAsWritten) {
  const CompiledModel compiled = CompileModel(kWhole);
  ASSERT_OK(compiled.status());
  EXPECT_THAT(compiled.diagnostics, IsEmpty());
  const Declaration& declaration = *compiled.declaration;
  EXPECT_EQ(declaration.hash, Sha256(kWhole));
  ASSERT_THAT(declaration.events, SizeIs(2));
  EXPECT_THAT(declaration.events[0].types, ElementsAre(log::v1::Event::kSagaCompleted,
                                                       log::v1::Event::kTaskCompleted));
  EXPECT_EQ(declaration.events[0].namespace_name, "shop");
  EXPECT_EQ(declaration.events[0].definition, "order");
  EXPECT_EQ(declaration.events[0].task, "charge");
  EXPECT_TRUE(declaration.events[1].TakesType(log::v1::Event::kSagaStarted));
  EXPECT_FALSE(declaration.events[1].TakesType(log::v1::Event::kDefinitionDeployed));
  EXPECT_EQ(declaration.init.ToText(), R"({"orders":0,"total":0})");
  EXPECT_EQ(declaration.where->expression.text(), R"(.saga.status == "completed")");

  const Model model = MakeModel(compiled.declaration);
  EXPECT_EQ(model.version, absl::BytesToHexString(declaration.hash)) << "kept as text";
  EXPECT_EQ(model.on_poison, PoisonPolicy::kPark);
  EXPECT_NE(model.make_fold(), nullptr);
  EXPECT_EQ(model.schema.name, "customer-orders");
  EXPECT_EQ(model.schema.description, "What each customer ordered");
  EXPECT_FALSE(model.schema.built_in);
  EXPECT_TRUE(model.schema.history);
  ASSERT_THAT(model.schema.columns, SizeIs(4));
  EXPECT_EQ(model.schema.columns[0].name, "key");
  EXPECT_EQ(model.schema.key_columns, 1u);
  EXPECT_EQ(model.schema.columns[1].name, "value");
  EXPECT_EQ(model.schema.columns[2].type, ColumnType::kNumber);
  EXPECT_THAT(model.schema.columns[3].path, ElementsAre("value", "address", "city"));
  ASSERT_THAT(model.schema.indexes, SizeIs(2));
  EXPECT_EQ(model.schema.indexes[1].name, "city,total");
  const Json row = Json::Parse(R"({"key":"x","value":{"address":{"city":"Oslo"}}})").value();
  EXPECT_EQ(ModelSchema::ValueOf(*model.schema.FindColumn("city"), row).AsString(), "Oslo");
}

TEST(DeclaredModelTest, LittleIsRequired) {
  const CompiledModel compiled = CompileModel(With("model", "model: m"));
  ASSERT_OK(compiled.status());
  EXPECT_FALSE(compiled.declaration->where.has_value());
  EXPECT_TRUE(compiled.declaration->init.is_null());
  EXPECT_FALSE(compiled.declaration->schema.history);
  EXPECT_EQ(compiled.declaration->on_poison, PoisonPolicy::kStop);
  EXPECT_OK(CompileModel(R"({"model":"m","events":[{}],"key":".sagaId","reduce":"1"})").status());
}

TEST(DeclaredModelTest, EveryErrorIsToldAtOnceWithItsPlace) {
  const CompiledModel compiled = CompileModel(
      "model: Customer Orders\n"
      "events:\n"
      "  - types: [SagaComplete]\n"
      "reduse: 1\n"
      "key: $sage.id\n"
      "history: maybe\n");
  ASSERT_FALSE(compiled.ok());
  EXPECT_TRUE(HasReason(compiled.status(), ErrorReason::kModelInvalid));
  EXPECT_THAT(
      Errors("model: Customer Orders\n"
             "events:\n"
             "  - types: [SagaComplete]\n"
             "reduse: 1\n"
             "key: $sage.id\n"
             "history: maybe\n"),
      ElementsAre(
          "line 1, column 1: 'reduce' is missing in a model's declaration",
          HasSubstr("line 1, column 8 (/model): expected a name of lower-case letters"),
          "line 3, column 13 (/events/0/types/0): 'SagaComplete' is no event type; did you mean "
          "'SagaCompleted'?",
          "line 4, column 1 (/reduse): 'reduse' is no key of a model's declaration; did you mean "
          "'reduce'?",
          "line 5, column 6 (/key): $sage is not bound; did you mean '$saga'?",
          HasSubstr("line 6, column 10 (/history)")));
  const auto info = GetErrorInfo(compiled.status());
  ASSERT_TRUE(info.has_value());
  EXPECT_THAT(info->violations, SizeIs(6));
  EXPECT_EQ(info->violations[2].first, "/events/0/types/0");
  EXPECT_THAT(info->violations[2].second, HasSubstr("line 3, column 13: "));
}

TEST(DeclaredModelTest, WhatIsWrongIsSaid) {
  const std::pair<std::string, std::string> kCases[] = {
      {With("model", "model: sagas"), "Skald itself keeps"},
      {With("model", "model: -m"), "expected a name"},
      {With("events", "events: []"), "at least one element"},
      {With("events", "events: [{type: SagaCompleted}]"), "did you mean 'types'"},
      {With("events", "events: [{task: /do/~2}]"), "JSON pointer"},
      {With("events", "events: [{namespace: ''}]"), "expected a name"},
      {With("key", "key: '${ .sagaId }'"), "without ${ }"},
      {With("key", "key: .saga |"), "does not compile"},
      {With("key", "key: 7"), "found the number 7; put the expression in quotes"},
      {With("key", "key: $key"), "bound are $event, $saga, $model"},
      {With("where", "where: .x ="), "(/where): the expression does not compile"},
      {With("reduce", "reduce: $evnt"), "did you mean '$event'"},
      {With("columns", "columns: {total: {typ: text}}"), "did you mean 'type'"},
      {With("columns", "columns: {total: {type: float}}"), "column's type"},
      {With("columns", "columns: {total: {type: text, path: a..b}}"), "names of members"},
      {With("columns", "columns: {value: {type: text}}"), "already"},
      {With("columns", "columns: {1st: {type: text}}"), "a column's name"},
      {With("columns", "columns: {a: {type: text}}\nindexes: [b]"), "no entry of 'columns'"},
      {With("columns", "columns: {a: {type: text}}\nindexes: [[a, a]]"), "twice in one index"},
      {With("columns", "columns: {a: {type: text}}\nindexes: [a, [a]]"), "stands there twice"},
      {With("columns", "columns: {a: {type: text}}\nindexes: [[]]"), "1 to 8 columns"},
      {With("indexes", "indexes: a"), "a list of columns"},
      {With("onError", "onError: ignore"), "'stop' or 'park'"},
      {"[]", "a model's declaration"},
      {"", "the text holds"},
      {"model: [", "line 2"},
      {std::string(kDeclarationBytesMax + 1, '#'), "262144"},
  };
  for (const auto& [text, problem] : kCases) {
    EXPECT_THAT(std::string(CompileModel(text).status().message()), HasSubstr(problem)) << text.substr(0, 200);
  }
}

TEST(DeclaredModelTest, BoundsHold) {
  std::string columns = "columns:\n", indexes = "indexes: [";
  for (size_t i = 0; i <= kModelColumnsMax; ++i) {
    absl::StrAppend(&columns, "  c", i, ": {type: text}\n");
    absl::StrAppend(&indexes, "c", i, ", ");
  }
  const std::vector<std::string> errors = Errors(With("columns", columns + indexes + "]"));
  EXPECT_THAT(errors, ElementsAre(HasSubstr("at most 50 columns"), HasSubstr("at most 10 indexes")));
}

TEST(DeclaredModelTest, ExamplesCompile) {
  for (const char* const name : {"customer-orders", "reserved-stock"}) {
    std::ifstream file(absl::StrCat(SKALD_SOURCE_DIR, "/examples/models/", name, ".yaml"));
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    const CompiledModel compiled = CompileModel(text);
    ASSERT_OK(compiled.status());
    EXPECT_EQ(compiled.declaration->schema.name, name);
  }
}

}  // namespace
}  // namespace skald::projection
