// A finding about a text -> its message.
#pragma once

#include "engine/definition/compile.h"
#include "skald/v1/definition_service.pb.h"

namespace skald::api {

void SetDiagnostic(const definition::Diagnostic& diagnostic, v1::Diagnostic& proto);

}  // namespace skald::api
