#include "engine/partition/definitions.h"

#include "gtest/gtest.h"

namespace skald::partition {
namespace {

DefinitionPtr Make(std::string name, std::string version) {
  auto definition = std::make_shared<Definition>();
  definition->namespace_name = "shop";
  definition->name = name;
  definition->version = version;
  definition->hash = name + version;
  return definition;
}

TEST(CompareVersionsTest, FollowsSemver) {
  // Each before the next.
  const char* const versions[] = {"1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta",
                                  "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.2",
                                  "1.0.10", "1.2.0", "1.10.0", "2.0.0", "10.0.0",
                                  "99999999999999999999.0.0"};
  for (size_t i = 0; i < std::size(versions); ++i) {
    for (size_t j = 0; j < std::size(versions); ++j) {
      const int order = CompareVersions(versions[i], versions[j]);
      EXPECT_EQ(order < 0, i < j) << versions[i] << " " << versions[j];
      EXPECT_EQ(order > 0, i > j) << versions[i] << " " << versions[j];
    }
  }
  EXPECT_EQ(CompareVersions("1.0.0+a", "1.0.0+b"), 0);
}

TEST(DefinitionsTest, FindsByNameVersionAndHash) {
  Definitions definitions;
  for (const char* const version : {"1.2.0", "1.10.0", "1.10.0-rc.1", "1.9.0"}) {
    definitions.Add(Make("order", version));
  }
  definitions.Add(Make("other", "7.0.0"));
  EXPECT_EQ(definitions.Find("shop", "order", "")->version, "1.10.0");
  EXPECT_EQ(definitions.Find("shop", "order", "1.9.0")->version, "1.9.0");
  EXPECT_EQ(definitions.Find("shop", "order", "3.0.0"), nullptr);
  EXPECT_EQ(definitions.Find("shop", "unheard-of", ""), nullptr);
  EXPECT_EQ(definitions.Find("elsewhere", "order", ""), nullptr);
  EXPECT_EQ(definitions.FindByHash("order1.9.0")->version, "1.9.0");
  EXPECT_EQ(definitions.FindByHash("?"), nullptr);
  EXPECT_EQ(definitions.All().size(), 5u);
}

}  // namespace
}  // namespace skald::partition
