// A value that fits is validated without allocating. Counts every operator new of the test program.
#include <atomic>
#include <cstdlib>
#include <new>

#include "engine/schema/schema.h"
#include "gtest/gtest.h"

namespace {
std::atomic<int> allocation_count = 0;
}  // namespace

// Not inlined, since gcc would take the pairs of malloc and delete, of new and free, for mistakes.
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocation_count;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace skald::schema {
namespace {

TEST(Schema, ValidValuesCostNoAllocation) {
  const Schema schema = Schema::Compile(Json::Parse(R"({
      "type": "object", "required": ["a"], "unevaluatedProperties": false,
      "properties": {"a": {"pattern": "^[a-z]+$", "maxLength": 90},
                     "b": {"items": {"enum": [1, "x", null]}, "uniqueItems": true},
                     "c": {"anyOf": [{"const": 1.5}, {"multipleOf": 0.01}]}},
      "patternProperties": {"^x-": {"oneOf": [{"type": "null"}, {"minimum": 3}]}}})")
                                            .value())
                            .value();
  const Json value = Json::Parse(R"({"a": "somewhatlongerthanasmallstring", "b": [1, null],
                                     "c": 19.99, "x-y": 4})")
                         .value();
  ASSERT_TRUE(schema.IsValid(value));
  const int before = allocation_count;
  const bool valid = schema.IsValid(value);
  EXPECT_EQ(allocation_count - before, 0);
  EXPECT_TRUE(valid);
}

}  // namespace
}  // namespace skald::schema
