#include "storage/rocksdb/rocksdb_options.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>

#include "rocksdb/cache.h"
#include "rocksdb/env.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/table_properties_collectors.h"
#include "storage/keys.h"

namespace skald::storage {
namespace {

// "Never": the slow-downs below protect reads of overlapping files, and the log has none.
constexpr int kNeverTrigger = 1 << 30;

// Tells RocksDB's errors on standard error and nothing else. A diary in a file would end the process by
// an assertion when it cannot be written, as on a full disk.
class ErrorsToStderr final : public rocksdb::Logger {
 public:
  ErrorsToStderr() : Logger(rocksdb::InfoLogLevel::ERROR_LEVEL) {}
  using Logger::Logv;
  void LogHeader(const char*, va_list) override {}
  void Logv(const char* format, va_list values) override {
    std::array<char, 1024> line;
    std::vsnprintf(line.data(), line.size(), format, values);
    std::fprintf(stderr, "skald: RocksDB: %s\n", line.data());
  }
};

// What both databases share.
void SetCommonOptions(rocksdb::Env* env, rocksdb::DBOptions* options) {
  if (env != nullptr) options->env = env;
  // Corruption found anywhere is an error at once, not a note in a file.
  options->paranoid_checks = true;
  // Two flushes and two compactions at a time: both databases share these threads.
  options->max_background_jobs = 4;
  options->max_subcompactions = 1;
  // Open file handles are bounded: a log of years has tens of thousands of files.
  options->max_open_files = 4096;
  // Reading every file's statistics would make a start as slow as the store is large.
  options->skip_stats_update_on_db_open = true;
  options->skip_checking_sst_file_sizes_on_db_open = false;
  // One thread writes at a time, so the concurrent memtable is cost without use; without it,
  // inserting in key order remembers its place.
  options->allow_concurrent_memtable_write = false;
  options->enable_write_thread_adaptive_yield = false;
  options->enable_pipelined_write = false;
  options->unordered_write = false;
  options->two_write_queues = false;
  // An error in the background stops the store; a retry inside RocksDB would hide it.
  options->max_bgerror_resume_count = 0;
  options->info_log = std::make_shared<ErrorsToStderr>();
  options->stats_dump_period_sec = 0;
  options->stats_persist_period_sec = 0;
  options->max_manifest_file_size = 64 << 20;
  // Spreads the write-back of large files, so that a sync of the log does not wait behind it.
  options->bytes_per_sync = 1 << 20;
}

// The part of a row's key that says where rows next to it are written: the table and the partition, and of
// a read model also the generation and, of its indexes, which.
class TableOfKey final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "skald.TableOfKey"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
    return {key.data(), std::min(key.size(), Length(key))};
  }
  bool InDomain(const rocksdb::Slice& key) const override { return key.size() >= kTable; }

 private:
  static constexpr size_t kTable = 1 + sizeof(uint32_t);

  static size_t Length(const rocksdb::Slice& key) {
    switch (static_cast<Table>(key[0])) {
      case Table::kModelRow:
      case Table::kModelVersion:
        return kTable + sizeof(uint64_t);
      case Table::kModelIndex:
        return kTable + 2 * sizeof(uint64_t);
      default:
        return kTable;
    }
  }
};

}  // namespace

rocksdb::DBOptions LogDatabaseOptions(rocksdb::Env* env, const LogSizes& sizes,
                                      std::shared_ptr<rocksdb::EventListener> listener) {
  rocksdb::DBOptions options;
  SetCommonOptions(env, &options);
  // The default, kPointInTimeRecovery, drops everything after a damaged record without a word. This
  // one refuses to open instead; wal_scan.h decides what a damaged tail means.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  // A recycled file ends in records of its former life, and a torn tail could not be told from
  // them. wal_file_system.h gives what recycling is for.
  options.recycle_log_file_num = 0;
  // A commit is durable when Append returns: no write may wait in a buffer of ours.
  options.manual_wal_flush = false;
  options.wal_bytes_per_sync = 0;
  // Only the log's own reader knows the format of an uncompressed one, and records are small.
  options.wal_compression = rocksdb::kNoCompression;
  // Deleted as soon as their content is in tables.
  options.WAL_ttl_seconds = 0;
  options.WAL_size_limit_MB = 0;
  // Bounds what a start has to replay: about a second.
  options.max_total_wal_size = sizes.wal_bytes_max;
  // One bound for the memtables of all partitions, however many there are.
  options.db_write_buffer_size = sizes.total_write_buffer_bytes;
  // What was recovered goes into tables at once, so that a WAL file is read by one start only.
  options.avoid_flush_during_recovery = false;
  // The WAL has everything: closing need not write it a second time.
  options.avoid_flush_during_shutdown = true;
  // Partitions need not agree on a moment: nothing is promised across them.
  options.atomic_flush = false;
  if (listener != nullptr) options.listeners.push_back(std::move(listener));
  return options;
}

rocksdb::ColumnFamilyOptions LogPartitionOptions(const LogSizes& sizes) {
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = sizes.write_buffer_bytes;
  options.max_write_buffer_number = 4;
  // Keys only grow, so files of a partition never overlap: level compaction moves them down by
  // renaming, and never rewrites a byte. That needs one compression for all levels.
  options.compaction_style = rocksdb::kCompactionStyleLevel;
  options.level0_file_num_compaction_trigger = 4;
  options.compression = rocksdb::kLZ4Compression;
  options.bottommost_compression = rocksdb::kDisableCompressionOption;
  options.compression_per_level.clear();
  // Age must not cause a rewrite either.
  options.ttl = 0;
  options.periodic_compaction_seconds = 0;
  // Appends are never slowed down for the sake of compaction.
  options.level0_slowdown_writes_trigger = kNeverTrigger;
  options.level0_stop_writes_trigger = kNeverTrigger;
  options.soft_pending_compaction_bytes_limit = 0;
  options.hard_pending_compaction_bytes_limit = 0;

  rocksdb::BlockBasedTableOptions table;
  // The log is scanned, hardly ever searched: large blocks scan and compress best (4.0 M events/s
  // at 64 KiB, 2.6 M at 4 KiB).
  table.block_size = 64 << 10;
  table.checksum = rocksdb::kXXH3;
  table.format_version = 5;
  // The index of a log of years is itself in blocks and cached, so memory stays bounded.
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_top_level_index_and_filter = true;
  // Shared by all partitions. Half of it is kept for indexes, which a scan must not push out.
  static const std::shared_ptr<rocksdb::Cache> cache =
      rocksdb::NewLRUCache(64 << 20, /*num_shard_bits=*/4, /*strict_capacity_limit=*/false,
                           /*high_pri_pool_ratio=*/0.5);
  table.block_cache = cache;
  // No filter: whoever reads the log asks for keys that are there.
  table.filter_policy = nullptr;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

rocksdb::WriteOptions LogWriteOptions() {
  rocksdb::WriteOptions options;
  // The promise of Append.
  options.sync = true;
  options.disableWAL = false;
  return options;
}

rocksdb::ReadOptions LogReadOptions() {
  rocksdb::ReadOptions options;
  options.verify_checksums = true;
  options.total_order_seek = true;
  return options;
}

rocksdb::Options ViewsDatabaseOptions(rocksdb::Env* env, size_t write_buffer_bytes,
                                      size_t block_cache_bytes) {
  rocksdb::Options options;
  SetCommonOptions(env, &options);
  // There is no WAL: the log is it. Rows reach disk only by a flush, with their applied positions.
  options.avoid_flush_during_shutdown = false;
  // Rows are many and small, and are overwritten and deleted soon: a large buffer lets most of them
  // die before they are written.
  options.write_buffer_size = write_buffer_bytes;
  options.max_write_buffer_number = 4;
  options.compaction_style = rocksdb::kCompactionStyleLevel;
  options.level_compaction_dynamic_level_bytes = true;
  options.compression = rocksdb::kLZ4Compression;
  // Tells "no such row" without a look into the memtable: Start asks for sagas that do not exist.
  options.memtable_prefix_bloom_size_ratio = 0.02;
  options.memtable_whole_key_filtering = true;
  // Writes come in key order within a table, so that each begins to look for its place where the one
  // before it stands.
  options.memtable_insert_with_hint_prefix_extractor = std::make_shared<TableOfKey>();
  // Most keys are spread over all of a table, so a file that goes down a level is merged with all there
  // is: the first level is as small as what comes from memtables, each next one ten times as large.
  options.max_bytes_for_level_base = 32 << 20;
  options.target_file_size_base = 8 << 20;
  // A file that is nearly all deletions, of a read model that was dropped, is merged soon, so that no
  // scan walks over them for long. Queues and timers leave some 30,000 in each, and wait for their
  // turn: who reads them begins past what is deleted, and merging each file at once would write all
  // rows anew each time.
  constexpr size_t kDeletionWindow = 128 << 10;
  constexpr size_t kDeletionTrigger = 64 << 10;
  options.table_properties_collector_factories.push_back(
      rocksdb::NewCompactOnDeletionCollectorFactory(kDeletionWindow, kDeletionTrigger));

  rocksdb::BlockBasedTableOptions table;
  // Rows are read one by one: small blocks.
  table.block_size = 8 << 10;
  table.checksum = rocksdb::kXXH3;
  table.format_version = 5;
  // A filter over whole keys; scans are bounded by their end instead of a prefix, so no prefix is
  // declared and every scan is in total order.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.whole_key_filtering = true;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_top_level_index_and_filter = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.block_cache = rocksdb::NewLRUCache(block_cache_bytes, /*num_shard_bits=*/4,
                                           /*strict_capacity_limit=*/false,
                                           /*high_pri_pool_ratio=*/0.5);
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

void UseForReadingAlone(rocksdb::DBOptions& options) {
  options.create_if_missing = false;
}

rocksdb::WriteOptions ViewsWriteOptions() {
  rocksdb::WriteOptions options;
  options.sync = false;
  options.disableWAL = true;
  return options;
}

}  // namespace skald::storage
