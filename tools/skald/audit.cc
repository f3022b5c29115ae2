#include "tools/skald/audit.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "engine/audit/key_file.h"
#include "skald/v1/audit_service.grpc.pb.h"
#include "tools/skald/destination.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

absl::StatusOr<std::vector<audit::VerifierKey>> ReadKeys(
    const std::vector<std::string>& arguments) {
  std::vector<audit::VerifierKey> keys;
  for (const std::string& argument : arguments) {
    if (absl::StatusOr<audit::VerifierKey> key = audit::VerifierKey::Parse(argument); key.ok()) {
      keys.push_back(*std::move(key));
      continue;
    }
    SKALD_ASSIGN_OR_RETURN(const std::string text, ReadFile(argument));
    for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      absl::StatusOr<audit::VerifierKey> key = audit::VerifierKey::Parse(line);
      if (!key.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat(argument, " holds a line that is no key: ", key.status().message()));
      }
      keys.push_back(*std::move(key));
    }
  }
  return keys;
}

absl::StatusOr<std::vector<std::string>> ReadNotes(const std::string& file) {
  SKALD_ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
  return audit::SplitNotes(text);
}

int WriteOutput(Invocation& call, const AuditFlags& flags, const std::string& text) {
  Destination destination(flags.out);
  destination.Write(text);
  return destination.Keep() ? kExitOk : destination.Fail(call);
}

namespace {

constexpr absl::string_view kRotatedNote =
    "The first line is the new key: give it to everyone who verifies. The second signs too,\n"
    "until the next rotation.";

void PrintKeys(Invocation& call, const std::vector<std::string>& keys) {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (call.json()) {
      Json::ObjectBuilder object;
      object.Add("key", Json::String(keys[i])).Add("present", Json::Bool(i == 0));
      call.PrintJson(std::move(object).Build());
    } else {
      call.PrintLine(keys[i]);
    }
  }
}

int KeyOfFolder(Invocation& call, const AuditFlags& flags) {
  const std::string path = audit::KeyFilePath(flags.data_dir);
  const absl::StatusOr<std::vector<audit::SigningKey>> keys =
      flags.rotate ? audit::RotateKeyFile(path) : audit::ReadKeyFile(path);
  if (!keys.ok()) return call.FailWith(keys.status().message());
  std::vector<std::string> lines;
  for (const audit::SigningKey& key : *keys) lines.push_back(key.verifier().ToText());
  PrintKeys(call, lines);
  if (flags.rotate) call.Note(kRotatedNote);
  return kExitOk;
}

}  // namespace

namespace {

int RotateKey(Invocation& call, const AuditFlags& flags) {
  if (flags.reason.empty()) return call.BadUsage("key rotate needs --reason: it is recorded");
  v1::RotateKeyRequest request;
  request.set_reason(flags.reason);
  grpc::ClientContext context;
  call.Prepare(context);
  v1::RotateKeyResponse response;
  const grpc::Status status =
      v1::AuditService::NewStub(call.channel())->RotateKey(&context, request, &response);
  if (!status.ok()) return call.Fail(status);
  PrintKeys(call, {response.keys().begin(), response.keys().end()});
  call.Note(kRotatedNote);
  return kExitOk;
}

}  // namespace

int AuditKey(Invocation& call, const AuditFlags& flags) {
  const bool rotates = call.words().size() == 2 && call.words()[1] == "rotate";
  if (call.words().size() > 1 && !rotates) {
    return call.BadUsage("after key comes rotate or nothing");
  }
  if (rotates && !flags.data_dir.empty()) {
    return call.BadUsage("key rotate asks the server; without one: key --data-dir FOLDER --rotate");
  }
  if (rotates) return RotateKey(call, flags);
  if (!flags.data_dir.empty()) return KeyOfFolder(call, flags);
  if (flags.rotate) {
    return call.BadUsage(
        "--rotate changes the store's files: it needs --data-dir; with a server: key rotate");
  }
  grpc::ClientContext context;
  call.Prepare(context);
  v1::GetKeyResponse response;
  const grpc::Status status =
      v1::AuditService::NewStub(call.channel())->GetKey(&context, {}, &response);
  if (!status.ok()) return call.Fail(status);
  PrintKeys(call, {response.keys().begin(), response.keys().end()});
  return kExitOk;
}

namespace {

int Run(Invocation& call) {
  AuditFlags flags;
  call.AddNamespaceFlag();
  call.flags()
      .Add("key", &flags.keys, "KEY",
           "verify, checkpoint, watch: a public key as `skald audit key` prints it, or a file of "
           "such "
           "lines. May be repeated.")
      .Add("since", &flags.since, "FILE",
           "Checkpoints that were kept, as `skald audit checkpoint` printed them.")
      .Add("out", &flags.out, "FILE", "checkpoint, export: write there.")
      .Add("partition", &flags.partition, "NUMBER",
           "checkpoint, checkpoints, watch: only this partition; -1: all.", -1, 1 << 20)
      .Add("notes", &flags.notes,
           "checkpoints: the signed texts themselves, as `skald audit checkpoint` prints them.")
      .Add("count", &flags.count, "COUNT", "watch: end after so many; 0: never.")
      .Add("withhold-data", &flags.withhold_data,
           "export: leave user data out; digests stand for it, and everything stays proven.")
      .Add("ended", &flags.ended, "verify: fail when the saga had not ended.")
      .Add("events", &flags.events, "verify: also show what is proven, event by event.")
      .Add("data-dir", &flags.data_dir, "FOLDER", "key: of this data directory, without a server.")
      .Add("rotate", &flags.rotate, "key: make a new key, with --data-dir.")
      .Add("reason", &flags.reason, "TEXT", "key rotate: why; recorded. Required.");
  if (auto exit = call.Parse({.words_min = 1, .words_max = 2})) return *exit;
  const std::string& part = call.words()[0];
  if (part == "checkpoint") return AuditCheckpoint(call, flags);
  if (part == "checkpoints") return AuditCheckpoints(call, flags);
  if (part == "watch") return AuditWatch(call, flags);
  if (part == "export") return AuditExport(call, flags);
  if (part == "verify") return AuditVerify(call, flags);
  if (part == "key") return AuditKey(call, flags);
  return call.BadUsage("expects checkpoint, checkpoints, watch, export, verify or key");
}

}  // namespace

const Verb kAuditVerb = {
    "audit", "prove that the log is what it was",
    "checkpoint | checkpoints | watch | export NAMESPACE/SAGA_ID | verify BUNDLE --key KEY | key [rotate]",
    "checkpoint  print a signed checkpoint of every partition's log: keep it where the operator "
    "of\n"
    "            the store cannot change it. With --since also prove, and check, that the log\n"
    "            continues the checkpoints in that file.\n"
    "checkpoints list those that the server has signed on its schedule and kept.\n"
    "watch       print each new one as it is kept, and check that it is signed and continues the\n"
    "            one before of its partition, or the one in --since. Without --key with the key\n"
    "            that the server gives at first. Ends with 1 when something does not hold.\n"
    "export      write a saga's history with its proofs, a bundle, that verifies anywhere. With\n"
    "            --since it also proves that its log continues a kept checkpoint.\n"
    "verify      check a bundle, without any server: nothing altered, removed, reordered or cut\n"
    "            off, and, with --since, nothing before that checkpoint rewritten. Says where, if\n"
    "            something was. A bundle is whole if the saga had ended; else it is complete up "
    "to\n"
    "            its last revision. With --events it shows the history, if it is verified.\n"
    "key         print the public keys: get them once, on a way you trust.\n"
    "key rotate  make a new key; who, why and the key are recorded in the log. Without a server:\n"
    "            key --data-dir FOLDER --rotate, which leaves no record.\n\n"
    "Examples:\n"
    "  skald audit key > store.key\n"
    "  skald audit checkpoint > monday.txt\n"
    "  skald audit checkpoint --since monday.txt --key store.key > tuesday.txt\n"
    "  skald audit watch --key store.key --since tuesday.txt --json >> checkpoints.jsonl\n"
    "  skald audit export shop/order-1001 --since monday.txt --out order-1001.json\n"
    "  skald audit verify order-1001.json --key store.key --since monday.txt --ended\n"
    "  skald audit key rotate --reason 'every January'\n\n"
    "Exits with 0 when all is proven, 1 when it is not (or a server could not answer), 2 for bad\n"
    "usage or a file that is no bundle, key or checkpoint. docs/audit.md tells what is proven.",
    Run};

}  // namespace skald::tools
