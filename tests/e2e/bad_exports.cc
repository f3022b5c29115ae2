// Writes exports of logs that no server makes into a folder, under checksums that are right: a file
// for each, and its name says what is wrong with it. "good" is what they are made of.
// Usage: bad_exports FOLDER
#include <fstream>
#include <functional>
#include <iostream>
#include <string>

#include "skald/log/v1/event.pb.h"
#include "skald/log/v1/export.pb.h"
#include "storage/commit_record.h"
#include "storage/log_export.h"

namespace skald {
namespace {

constexpr char kText[] =
    R"("document: {dsl: '1.0.3', namespace: test, name: a, version: '1.0.0'}\ndo: [{b: {set: {}}}]")";

struct Export {
  log::v1::ExportHeader header;
  log::v1::CommitHeader commit;
  log::v1::EventBodies bodies;  // of the only commit, whose one slot is kText

  log::v1::DefinitionDeployed& deployed() {
    return *bodies.mutable_events(0)->mutable_definition_deployed();
  }
};

Export Good() {
  Export good;
  good.header.set_store_id("0123456789abcdef");
  good.header.set_partition_count(1);
  log::v1::ExportRange& range = *good.header.add_ranges();
  range.set_first_position(1);
  range.set_last_position(1);
  good.commit.set_format(storage::kCommitFormat);
  good.commit.set_first_position(1);
  good.commit.set_time_us(1'700'000'000'000'000);
  good.bodies.add_events();
  good.deployed().set_namespace_("test");
  good.deployed().set_name("a");
  good.deployed().set_version("1.0.0");
  good.deployed().set_hash("hash");
  good.deployed().set_text_slot(1);
  return good;
}

std::string FileOf(Export made) {
  made.commit.set_count(static_cast<uint32_t>(made.bodies.events_size()));
  std::string record;
  storage::EncodeCommit(made.commit, made.bodies.SerializeAsString(), {kText}, &record);
  storage::LogExportWriter writer;
  std::string file = writer.Begin(made.header);
  file += writer.Add(record, made.commit.count());
  return file + writer.End();
}

struct Case {
  const char* name;
  std::function<void(Export&)> spoil;
};

const Case kCases[] = {
    {"good", [](Export&) {}},
    {"filtered",
     [](Export& made) {
       made.header.set_filtered(true);
       made.header.mutable_ranges(0)->set_last_position(9);
       made.commit.set_first_position(5);
     }},
    {"of_many_partitions", [](Export& made) { made.header.set_partition_count(4'000'000'000); }},
    {"text_in_slot_0", [](Export& made) { made.deployed().set_text_slot(0); }},
    {"text_past_the_end", [](Export& made) { made.deployed().set_text_slot(2); }},
    {"unknown_kind",
     [](Export& made) {
       log::v1::Event& event = *made.bodies.mutable_events(0);
       event.Clear();
       event.GetReflection()->MutableUnknownFields(&event)->AddLengthDelimited(500, "tomorrow");
     }},
    {"message_out_of_order",
     [](Export& made) { made.bodies.mutable_events(0)->mutable_message_received()->set_seq(2); }},
    {"before_1970", [](Export& made) { made.commit.set_time_us(-1); }},
    {"task_of_no_saga",
     [](Export& made) {
       made.commit.set_namespace_("test");
       made.commit.set_saga_id("s");
       made.bodies.mutable_events(0)->mutable_task_completed()->set_frame(1);
     }},
};

}  // namespace
}  // namespace skald

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: bad_exports FOLDER\n";
    return 2;
  }
  for (const skald::Case& each : skald::kCases) {
    skald::Export made = skald::Good();
    each.spoil(made);
    std::ofstream(std::string(argv[1]) + "/" + each.name, std::ios::binary)
        << skald::FileOf(std::move(made));
  }
  return 0;
}
