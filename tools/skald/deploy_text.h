// Deploying a definition, for verbs that do.
#pragma once

#include <string>

#include "skald/v1/definition_service.pb.h"
#include "tools/skald/invocation.h"

namespace skald::tools {

// Deploys the definition in `file`. kExitOk, or prints what is wrong and returns the exit code
// (kExitUsage for a bad definition).
int DeployFile(Invocation& call, const std::string& file, v1::DeployDefinitionResponse& response);

// Prints each finding with its place.
void PrintDiagnostics(const Invocation& call, const std::string& file,
                      const google::protobuf::RepeatedPtrField<v1::Diagnostic>& diagnostics);

}  // namespace skald::tools
