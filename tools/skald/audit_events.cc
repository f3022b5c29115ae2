// The events of a bundle, as `skald history` shows those of a server.
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "api/convert_event.h"
#include "skald/log/v1/event.pb.h"
#include "skald/log/v1/record.pb.h"
#include "tools/skald/audit.h"
#include "tools/skald/render.h"

namespace skald::tools {

namespace {

// What stands for data that is not in the bundle.
std::string Withheld(const audit::Hash& digest) {
  Json::ObjectBuilder object;
  object.Add("withheld_sha256", Json::String(absl::BytesToHexString(digest.view())));
  return std::move(object).Build().ToText();
}

}  // namespace

int PrintBundleEvents(const Invocation& call, const audit::Bundle& bundle) {
  absl::Time start = absl::InfiniteFuture();
  for (const audit::BundleCommit& commit : bundle.commits) {
    log::v1::CommitHeader header;
    log::v1::EventBodies bodies;
    if (!header.ParseFromString(commit.header) || !bodies.ParseFromString(*commit.bodies.data)) {
      return call.FailWith("a verified commit cannot be read");
    }
    std::vector<std::string> texts;
    for (const audit::BundlePart& slot : commit.slots) {
      texts.push_back(slot.data ? *slot.data : Withheld(slot.digest));
    }
    const std::vector<absl::string_view> slots(texts.begin(), texts.end());
    for (int i = 0; i < bodies.events_size(); ++i) {
      const auto place = static_cast<uint64_t>(i);
      v1::RecordedEvent event;
      api::SetEvent({.partition = PartitionId(header.partition()),
                     .position = Position(header.first_position() + place),
                     .revision = Revision(header.first_revision() + place),
                     .commit_first = Position(header.first_position()),
                     .header = &header,
                     .event = &bodies.events(i),
                     .slots = slots},
                    event);
      if (start == absl::InfiniteFuture()) start = FromProto(event.time());
      if (call.json()) {
        call.PrintJson(EventToJson(event));
      } else {
        call.PrintLine(EventToLine(event, start, call.style()));
      }
    }
  }
  return kExitOk;
}

}  // namespace skald::tools
