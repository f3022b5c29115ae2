// What the tests of definitions share: compiling texts, and tables of bad ones with the finding
// each must give.
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "engine/definition/compile.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skald::definition {

// How gtest shows a finding.
inline void PrintTo(const Diagnostic& diagnostic, std::ostream* out) {
  *out << diagnostic.ToString();
}

// The lines that every definition begins with: 5 of them.
inline constexpr absl::string_view kHeader = R"(document:
  dsl: '1.0.3'
  namespace: shop
  name: order
  version: '1.0.0'
)";

// The findings as one text, for messages of tests.
inline std::string Findings(const CompileResult& result) {
  std::string text;
  for (const Diagnostic& diagnostic : result.diagnostics) {
    absl::StrAppend(&text, diagnostic.ToString(), "\n");
  }
  return text;
}

// The program of a text that must compile; null (and a failed test) when it does not.
inline std::shared_ptr<const Program> MustCompile(absl::string_view text) {
  const CompileResult result = Compile(text);
  EXPECT_TRUE(result.ok()) << Findings(result) << "\nin\n" << std::string(text);
  return result.program;
}

// The same after the header.
inline std::shared_ptr<const Program> MustCompileBody(absl::string_view body) {
  return MustCompile(absl::StrCat(kHeader, body));
}

// The node with this reference. Precondition: there is one.
inline const Node& NodeAt(const Program& program, absl::string_view reference) {
  const NodeIndex index = program.Find(reference);
  if (index == kNoNode) {
    ADD_FAILURE() << "no node " << std::string(reference);
    return program.nodes[0];
  }
  return program.node(index);
}

// One finding that a bad text must give.
struct BadCase {
  const char* name;
  std::string text;
  int line;
  int column;
  const char* pointer;
  const char* fragment;  // of the message
};

inline std::ostream& operator<<(std::ostream& out, const BadCase& bad) { return out << bad.name; }

// A case whose text is the header and `body`; lines count from the header's first.
inline BadCase Bad(const char* name, absl::string_view body, int line, int column,
                   const char* pointer, const char* fragment) {
  return {name, absl::StrCat(kHeader, body), line, column, pointer, fragment};
}

// Checks that the text is refused and that this finding is among the errors.
inline void ExpectRefused(const BadCase& bad) {
  const CompileResult result = Compile(bad.text);
  EXPECT_FALSE(result.ok());
  bool found = false;
  for (const Diagnostic& diagnostic : result.diagnostics) {
    found = found ||
            (diagnostic.severity == Diagnostic::Severity::kError && diagnostic.line == bad.line &&
             diagnostic.column == bad.column && diagnostic.pointer == bad.pointer &&
             absl::string_view(diagnostic.message).find(bad.fragment) != absl::string_view::npos);
  }
  EXPECT_TRUE(found) << "wanted line " << bad.line << ", column " << bad.column << " ("
                     << bad.pointer << "): ..." << bad.fragment << "...\ngot\n"
                     << Findings(result) << "\nin\n"
                     << bad.text;
}

// Names parameterised cases by what they are.
struct BadCaseName {
  std::string operator()(const ::testing::TestParamInfo<BadCase>& info) const {
    return info.param.name;
  }
};

}  // namespace skald::definition
