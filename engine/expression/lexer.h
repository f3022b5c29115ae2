// Cuts the text of an expression into tokens. Private to engine/expression.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/expression/expression.h"

namespace skald::expression {

enum class TokenKind : uint8_t {
  kEnd,
  kName,   // foo, foo::bar and keywords
  kField,  // .foo; `text` is foo
  kNumber,
  kFormat,    // @foo; `text` is @foo
  kQuote,     // The `"` that begins a string; its inside is read by ReadStringPart.
  kOperator,  // Anything else; `text` is one of the operators
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  uint32_t offset = 0;
  absl::string_view text;
};

// A stretch of a string's inside.
struct StringPart {
  std::string text;            // With escapes resolved.
  bool interpolation = false;  // Whether `\(` ended it, and not the closing quote.
};

class Lexer {
 public:
  // `text` must outlive the lexer and its tokens.
  explicit Lexer(absl::string_view text) : text_(text) {}

  // The next token. INVALID_ARGUMENT with the place when there is none at this place.
  absl::StatusOr<Token> Next();

  // Reads on inside a string until `\(` or the closing quote, which is read too.
  absl::StatusOr<StringPart> ReadStringPart();

  // `offset` with its line and column.
  ErrorPlace PlaceAt(uint32_t offset) const;

  // An error about the place `offset` of the text, with its line and column.
  absl::Status ErrorAt(uint32_t offset, absl::string_view message) const;

  // The line of a place, from 1.
  int LineOf(uint32_t offset) const { return PlaceAt(offset).line; }

  absl::string_view text() const { return text_; }

 private:
  void SkipBlanksAndComments();
  absl::Status ReadEscape(std::string& out);
  absl::StatusOr<uint32_t> ReadHex4();
  Token Take(TokenKind kind, size_t begin, size_t skip = 0);
  size_t NumberEnd() const;
  size_t NameEnd(size_t begin, bool qualified) const;

  absl::string_view text_;
  size_t place_ = 0;
};

// Adds the place that PlaceOfError gives.
absl::Status WithPlace(absl::Status status, const ErrorPlace& place);

}  // namespace skald::expression
