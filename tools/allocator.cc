// Settings of jemalloc, which reads them before main (docs/adr/0015-jemalloc.md).
//
// Four arenas: the few threads that work all the time get one each, and what one frees another can use.
// No arena of their own for large blocks: it gives each back to the system at once, and every buffer of
// RocksDB would be cleared page by page again. A thread in the background gives back what stays unused for
// three seconds: memtables fill and empty about as often.
extern "C" {
const char* malloc_conf = "narenas:4,oversize_threshold:0,background_thread:true,dirty_decay_ms:3000";
}
