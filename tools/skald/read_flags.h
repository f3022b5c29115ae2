// The flags of verbs that read models: how new, or as of when.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "skald/v1/read_model_service.grpc.pb.h"
#include "tools/skald/invocation.h"

namespace skald::tools {

// RFC 3339, or a date. False: it is neither, or before 1970.
bool ReadTime(const std::string& text, google::protobuf::Timestamp& proto);

struct ReadFlags {
  std::string as_of;
  std::vector<std::string> positions;
  bool stale = false;
  absl::Duration wait = absl::Seconds(5);

  void AddTo(Flags& flags);
  // Not empty: what is wrong with them.
  std::optional<std::string> Set(v1::ReadOptions& options) const;
};

// {"time", "positions", "generation"}.
Json CutToJson(const v1::ReadCut& cut);

}  // namespace skald::tools
