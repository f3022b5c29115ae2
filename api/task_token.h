// A task's token on the wire: opaque to workers, the same across restarts and versions of the
// server.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "engine/saga/command.h"

namespace skald::api {

std::string EncodeTaskToken(const saga::TaskToken& token);
// Nothing when these are not the bytes of a token.
std::optional<saga::TaskToken> DecodeTaskToken(absl::string_view bytes);

}  // namespace skald::api
