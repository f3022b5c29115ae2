// What can be chosen about the gRPC server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/ids.h"
#include "engine/definition/compile.h"
#include "engine/projection/reader.h"

namespace skald::api {

struct ServerOptions {
  // "host:port" or "unix:/path". Port 0 picks a free one.
  std::string address = "127.0.0.1:7480";
  // The largest message that is taken.
  size_t message_bytes_max = 8 << 20;
  // Memory for what came from clients and is no whole message yet, or waits to be taken, in all
  // connections. When it is used up, connections take less at a time, and past it calls are cancelled
  // (RESOURCE_EXHAUSTED).
  size_t buffer_bytes_max = 512 << 20;
  // Bounds on a definition that ValidateDefinition checks. As the engine has them.
  definition::DefinitionLimits definition_limits;
  // Threads for reads, lists and compiling definitions.
  int read_threads = 2;
  // How many of them may wait for a thread; more are refused.
  size_t reads_waiting_max = 1'000;
  // The longest that WaitSaga and StartSaga wait.
  Micros wait_max = 10 * kMinute;
  // Items of one StartSagas stream whose results are not written yet; past it the stream is not
  // read.
  size_t start_items_max = 8'192;
  // Bytes of results of such a stream that are not written yet; past it the stream is not read, and
  // sagas that were waited for are fetched again when there is room.
  size_t start_bytes_max = 8 << 20;
  // Answers and results of one worker that are not written yet; past it the stream is not read.
  size_t worker_answers_max = 16'384;
  // Answers, heartbeats and tokens in one frame, and held tokens of a hello.
  size_t worker_frame_items_max = 10'000;
  // The most credit a worker can have, and the lease of its tasks. As the engine's broker has them.
  uint32_t worker_credit_max = 10'000;
  Micros worker_lease = 30 * kSecond;
  // What a frame of LogService holds before it is sent: bytes of event data, and events looked at.
  size_t log_frame_bytes = 256 << 10;
  size_t log_frame_events = 1'000;
  size_t log_scan_events = 20'000;
  // What ReadModelService reads. Must outlive the server; null: there are no models.
  projection::ModelReader* models = nullptr;
  // Threads for reads of models, and how many reads may be under way.
  int model_threads = 2;
  int model_reads_max = 256;
  // The same of statements of SQL.
  int query_threads = 2;
  int queries_max = 32;
  // The longest that a read of a model, or a statement, computes.
  Micros model_read_time_max = 30 * kSecond;
};

}  // namespace skald::api
