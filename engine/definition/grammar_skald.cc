// `document.metadata.skald`: strict, because a typo here would go unnoticed until somebody looks
// for what is not there.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/definition/grammar.h"

namespace skald::definition::grammar {
namespace {

constexpr size_t kAttributesMax = 32;
constexpr size_t kAttributeNameBytesMax = 63;

void Attributes(Shape& shape, const Value& value) {
  if (!shape.MapOf(value, "'attributes'", WholeExpression)) return;
  if (value.members().size() > kAttributesMax) {
    shape.Error(value, absl::StrCat("at most ", kAttributesMax, " attributes are allowed, found ",
                                    value.members().size()));
  }
  for (const DocumentMember& member : value.members()) {
    if (IsVariableName(member.key) && member.key.size() <= kAttributeNameBytesMax) continue;
    const Value found = value.Of(member);
    shape.diagnostics().Error(found.key_place(), found.pointer(),
                              absl::StrCat("an attribute's name has letters, digits and "
                                           "underscores, at most ",
                                           kAttributeNameBytesMax, ", and no digit first"));
  }
}

}  // namespace

void DocumentSkald(Shape& shape, const Value& value) {
  // The options of a schedule count only beside one, which is refused as long as it cannot be run.
  shape.Object(value, "'metadata.skald' of the document",
               {{"attributes", Attributes}, {"schedule", AnyObject}});
}

}  // namespace skald::definition::grammar
