#include "api/convert_diagnostic.h"

#include <algorithm>

namespace skald::api {

void SetDiagnostic(const definition::Diagnostic& diagnostic, v1::Diagnostic& proto) {
  proto.set_severity(diagnostic.severity == definition::Diagnostic::Severity::kError
                         ? v1::Diagnostic::SEVERITY_ERROR
                         : v1::Diagnostic::SEVERITY_WARNING);
  proto.set_line(static_cast<uint32_t>(std::max(0, diagnostic.line)));
  proto.set_column(static_cast<uint32_t>(std::max(0, diagnostic.column)));
  proto.set_pointer(diagnostic.pointer);
  proto.set_message(diagnostic.message);
}

}  // namespace skald::api
